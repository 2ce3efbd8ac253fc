"""The one root from which every default path is derived.

Nothing here is computed from the current directory, so a notebook, a test and a batch job
started anywhere find the same folders. ``CSALGAN_HOME`` moves everything at once.
"""

import os
from pathlib import Path

from csalgan.files.errors import CsalganError

_PACKAGE = Path(__file__).resolve().parents[1]


def root() -> Path:
    """``$CSALGAN_HOME``, else the checkout this package was imported from, else ``~/csalgan``.

    Raises:
        CsalganError: the last one, and this user has no home.
    """
    if home := os.environ.get("CSALGAN_HOME"):
        return Path(home).expanduser().resolve()
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "notebooks").is_dir():
        return checkout
    try:
        return (Path.home() / "csalgan").resolve()
    except RuntimeError as error:
        raise CsalganError("no home folder is known: set CSALGAN_HOME to a folder.") from error


def data_dir() -> Path:
    """Where datasets stand by default (``data/``)."""
    return root() / "data"


def cache_dir() -> Path:
    """What can be made again: prepared arrays, unpacked archives, text embeddings."""
    return data_dir() / "cache"


def reports_dir() -> Path:
    """Where reports are written (``reports/<profile>/``)."""
    return root() / "reports"


def notebooks_dir() -> Path:
    """The numbered notebooks: of the checkout, or the copies inside an installed package.

    Raises:
        CsalganError: neither exists.
    """
    for folder in (_PACKAGE.parent / "notebooks", _PACKAGE / "notebooks"):
        if any(folder.glob("0*.ipynb")):
            return folder
    raise CsalganError(
        f"{_PACKAGE.parent / 'notebooks'}: the notebooks are missing; clone the repository again "
        "or reinstall the package."
    )
