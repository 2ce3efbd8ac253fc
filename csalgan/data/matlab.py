"""Reading MATLAB files of somebody else, piece by piece, each piece looked at before it is used."""

import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np

from csalgan.files.errors import CsalganError
from csalgan.files.inputs import open_file

#: The releases are of one megabyte.
MOST_BYTES = 64 * 2**20
#: Reads a variable with at most 4 GiB of memory; scipy's reader can crash on a damaged file.
_TRIAL = """
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except ImportError:
    pass
from scipy.io import loadmat
loadmat(sys.argv[1], variable_names=[sys.argv[2]], appendmat=False)
"""


class MatFile:
    """One variable of a ``.mat`` file; every piece that is not as expected is one sentence.

    A file is first read by a process of its own: a damaged one can end its reader, or unpack to
    more than there is memory for.
    """

    def __init__(self, path: Path):
        self.path = path

    def variable(self, name: str) -> np.ndarray:
        """A variable of the file.

        Raises:
            CsalganError: the file cannot be read, or has no such variable.
        """
        from scipy.io import loadmat  # takes a while, and few need it

        with open_file(self.path, MOST_BYTES) as file:
            stands = os.fstat(file.fileno())
        try:
            if not _readable(str(self.path), name, stands.st_size, stands.st_mtime_ns):
                raise ValueError("ended the process that tried it")
            return loadmat(self.path, variable_names=[name], appendmat=False)[name]
        except KeyError as error:
            raise self.unexpected(f"the variable {name}") from error
        except Exception as error:  # scipy raises a dozen kinds for files that are cut or altered
            raise CsalganError(
                f"{self.path}: cannot be read as a MATLAB file; get it again from its source."
            ) from error

    def cell(self, value: object, what: str) -> np.ndarray:
        """A cell array (an array of objects)."""
        if not isinstance(value, np.ndarray) or value.dtype != object:
            raise self.unexpected(f"{what} as a cell array")
        return value

    def fields(self, value: object, names: tuple[str, ...], what: str) -> list:
        """The named fields of one struct."""
        found = getattr(getattr(value, "dtype", None), "names", None) or ()
        if not set(names) <= set(found) or value.size != 1:
            raise self.unexpected(f"{what} as a struct with {', '.join(names)}")
        return [value.ravel()[0][name] for name in names]

    def matrix(self, value: object, columns: int, what: str) -> np.ndarray:
        """A matrix of finite numbers: float64 (N, columns). An empty array has no rows."""
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf":
            raise self.unexpected(f"{what} as numbers")
        if not value.size:
            return np.empty((0, columns))
        if value.shape[1:] != (columns,) or not np.isfinite(value).all():
            raise self.unexpected(f"{what} as {columns} columns of finite numbers")
        return value.astype(np.float64)

    def text(self, value: object, what: str) -> str:
        """One line of text."""
        if not isinstance(value, np.ndarray) or value.dtype.kind != "U" or value.size != 1:
            raise self.unexpected(f"{what} as text")
        return str(value.ravel()[0])

    def unexpected(self, wanted: str) -> CsalganError:
        """What to raise where the file does not hold what is ``wanted``."""
        return CsalganError(
            f"{self.path}: does not hold {wanted}, so it is not the released file; get it again "
            "from its source."
        )


@lru_cache(maxsize=16)
def _readable(path: str, name: str, size: int, changed: int) -> bool:
    """Whether a process of its own can read a variable; tried once for each state of a file."""
    command = [sys.executable, "-c", _TRIAL, path, name]
    try:
        return not subprocess.run(command, capture_output=True, timeout=60).returncode
    except subprocess.TimeoutExpired:
        return False
