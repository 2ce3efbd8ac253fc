"""The command that puts a run's weights into this folder."""

from csalgan.prediction.weights import main

main()
