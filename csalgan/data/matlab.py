"""Reading MATLAB files of somebody else, piece by piece, each piece looked at before it is used."""

from pathlib import Path

import numpy as np
from scipy.io import loadmat

from csalgan.errors import CsalganError


class MatFile:
    """One variable of a ``.mat`` file; every piece that is not as expected is one sentence."""

    def __init__(self, path: Path):
        self.path = path

    def variable(self, name: str) -> np.ndarray:
        """A variable of the file.

        Raises:
            CsalganError: the file cannot be read, or has no such variable.
        """
        try:
            return loadmat(self.path, variable_names=[name], appendmat=False)[name]
        except KeyError as error:
            raise self._not(f"the variable {name}") from error
        except Exception as error:  # scipy raises a dozen kinds for files that are cut or altered
            raise CsalganError(
                f"{self.path}: cannot be read as a MATLAB file; get it again from its source."
            ) from error

    def cell(self, value: object, what: str) -> np.ndarray:
        """A cell array (an array of objects)."""
        if not isinstance(value, np.ndarray) or value.dtype != object:
            raise self._not(f"{what} as a cell array")
        return value

    def fields(self, value: object, names: tuple[str, ...], what: str) -> list:
        """The named fields of one struct."""
        found = getattr(getattr(value, "dtype", None), "names", None) or ()
        if not set(names) <= set(found) or value.size != 1:
            raise self._not(f"{what} as a struct with {', '.join(names)}")
        return [value.ravel()[0][name] for name in names]

    def table(self, columns: list, what: str) -> np.ndarray:
        """Arrays of finite numbers, equally long, as the columns of one: float64 (N, columns)."""
        for column in columns:
            if not isinstance(column, np.ndarray) or column.dtype.kind not in "iuf":
                raise self._not(f"{what} as numbers")
            if column.size != columns[0].size or not np.isfinite(column).all():
                raise self._not(f"{what} as equally many finite numbers")
        return np.stack([column.ravel() for column in columns], axis=1).astype(np.float64)

    def text(self, value: object, what: str) -> str:
        """One line of text."""
        if not isinstance(value, np.ndarray) or value.dtype.kind != "U" or value.size != 1:
            raise self._not(f"{what} as text")
        return str(value.ravel()[0])

    def _not(self, wanted: str) -> CsalganError:
        return CsalganError(
            f"{self.path}: does not hold {wanted}, so it is not the released file; get it again "
            "from its source."
        )
