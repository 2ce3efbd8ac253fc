"""Reading MATLAB files of somebody else."""

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
except (ImportError, ValueError, OSError):  # Windows; macOS, or a lower limit set already
    pass
from scipy.io import loadmat
loadmat(sys.argv[1], variable_names=[sys.argv[2]], appendmat=False)[sys.argv[2]]
"""


def variable(path: Path, name: str) -> np.ndarray:
    """A variable of a ``.mat`` file: cells are arrays of objects, structs have named fields.

    The file is first read by a process of its own: a damaged one can end its reader, or unpack to
    more than there is memory for.

    Raises:
        CsalganError: the file cannot be read, or has no such variable.
    """
    from scipy.io import loadmat  # takes a while, and few need it

    with open_file(path, MOST_BYTES) as file:
        stands = os.fstat(file.fileno())
    if not _readable(path, name, stands.st_size, stands.st_mtime_ns):
        raise CsalganError(
            f"{path}: cannot be read as a MATLAB file with the variable {name}; get it again from "
            "its source."
        )
    return loadmat(path, variable_names=[name], appendmat=False)[name]


def numbers(value: np.ndarray, columns: int) -> np.ndarray:
    """A matrix of finite numbers: float64 (N, columns). An empty array has no rows.

    Raises:
        ValueError: anything else.
    """
    if value.dtype.kind in "iuf" and not value.size:
        return np.empty((0, columns))
    if value.dtype.kind not in "iuf" or value.ndim != 2 or value.shape[1] != columns:
        raise ValueError(f"{value.dtype} {value.shape} for {columns} columns of numbers")
    if not np.isfinite(value).all():
        raise ValueError("numbers that are not finite")
    return value.astype(np.float64)


@lru_cache(maxsize=16)
def _readable(path: Path, name: str, size: int, changed: int) -> bool:
    """Whether a process of its own can read a variable; tried once for each state of a file."""
    command = [sys.executable, "-c", _TRIAL, path, name]
    try:
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # threads need address space
        how = {"capture_output": True, "timeout": 60, "env": environment}
        return not subprocess.run(command, **how).returncode
    except subprocess.TimeoutExpired:
        return False
