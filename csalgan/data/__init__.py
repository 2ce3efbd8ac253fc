"""From a folder on disk to a table of records, splits and packed arrays.

``layouts`` opens a folder with the reader of its layout: ``sjtu_tis``, ``osie``. ``check`` names
its faults, ``archive`` unpacks it, ``synthetic`` makes the embedded dataset in the layout of
SJTU-TIS, ``splits`` parts the images and ``prepared`` packs everything for training.

Names are imported on first use: a module that needs the conditions' names only, such as the command
line's help, does not wait for pandas and scipy.
"""

from importlib import import_module

_MODULES = {
    "check": ["check_dataset", "require_clean"],
    "dataset": ["Dataset"],
    "layouts": ["open_dataset"],
    "prepared": ["Prepared", "prepare"],
    "records": ["CONDITIONS", "SUBSETS"],
    "splits": ["Split", "make_split"],
    "synthetic": ["ensure_embedded", "synthesise", "true_density"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [*_MODULE_OF]


def __getattr__(name: str):
    if name in _MODULE_OF:
        return getattr(import_module(f"csalgan.data.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module 'csalgan.data' has no attribute {name!r}")
