"""From a folder on disk to packed arrays: the first rooms data walks through.

``layouts`` opens a folder with the reader of its layout: ``sjtu_tis``, ``osie``. ``check`` names
its faults, ``archive`` unpacks it, ``synthetic`` makes the embedded dataset in the layout of
SJTU-TIS, ``splits`` parts the images and ``prepared`` packs everything for training.
"""

from csalgan.data.check import CheckReport, check_dataset, require_clean
from csalgan.data.dataset import Dataset
from csalgan.data.layouts import open_dataset
from csalgan.data.prepared import Prepared, prepare
from csalgan.data.records import CONDITIONS, SUBSETS
from csalgan.data.splits import Split, make_split
from csalgan.data.synthetic import ensure_embedded, synthesise, true_density

__all__ = [
    "CONDITIONS",
    "SUBSETS",
    "CheckReport",
    "Dataset",
    "Prepared",
    "Split",
    "check_dataset",
    "ensure_embedded",
    "make_split",
    "open_dataset",
    "prepare",
    "require_clean",
    "synthesise",
    "true_density",
]
