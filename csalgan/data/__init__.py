"""From a folder on disk to packed arrays: the first rooms data walks through.

``layouts`` opens a folder with the reader of its layout: ``sjtu_tis``, ``osie``. ``check`` names
its faults, ``archive`` unpacks it, ``synthetic`` makes the embedded dataset in the layout of
SJTU-TIS, ``splits`` parts the images and ``prepared`` packs everything for training.

Names are imported on first use: a room that needs the conditions' names only, such as the command
line's help, does not wait for pandas and scipy.
"""

from importlib import import_module

_LAZY = {
    "CheckReport": "csalgan.data.check",
    "check_dataset": "csalgan.data.check",
    "require_clean": "csalgan.data.check",
    "Dataset": "csalgan.data.dataset",
    "open_dataset": "csalgan.data.layouts",
    "Prepared": "csalgan.data.prepared",
    "prepare": "csalgan.data.prepared",
    "CONDITIONS": "csalgan.data.records",
    "SUBSETS": "csalgan.data.records",
    "Split": "csalgan.data.splits",
    "make_split": "csalgan.data.splits",
    "ensure_embedded": "csalgan.data.synthetic",
    "synthesise": "csalgan.data.synthetic",
    "true_density": "csalgan.data.synthetic",
}

__all__ = [*_LAZY]


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'csalgan.data' has no attribute {name!r}")
