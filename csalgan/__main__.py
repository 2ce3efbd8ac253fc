"""``python -m csalgan`` is the command ``csalgan``."""

from csalgan.cli import main

main()
