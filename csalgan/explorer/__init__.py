"""The explorer: change the sentence and watch attention move.

Each layer is usable without the next: :mod:`.pictures` (from arrays to pixels), :mod:`.cached`
(models and what they predicted), :mod:`.session` (the data beside them, and scores), :mod:`.view`
(a state of the explorer and everything it shows), :mod:`.keep` (the same as files), :mod:`.parts`
(the controls ipywidgets lacks), :mod:`.worker` (threads in which the newest question counts) and
:mod:`.page` (the widgets).

Names are imported on first use: the explorer's controls need none of what loads slowly.
"""

from importlib import import_module

_WHERE = {
    "cached": ("on_offer",),
    "page": ("Explorer",),
    "pictures": ("render",),
    "session": ("Session",),
    "view": ("even",),
}
_LAZY = {name: module for module, names in _WHERE.items() for name in names}

__all__ = list(_LAZY)


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(import_module(f"csalgan.explorer.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'csalgan.explorer' has no attribute {name!r}")
