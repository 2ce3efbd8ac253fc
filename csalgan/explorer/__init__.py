"""The explorer: change the sentence and watch attention move.

Each layer is usable without the next: :mod:`.pictures` (from arrays to pixels), :mod:`.cached`
(models and what they predicted), :mod:`.session` (the data beside them, and scores), :mod:`.view`
(a state of the explorer and everything it shows), :mod:`.keep` (the same as files), :mod:`.parts`
(the controls ipywidgets lacks), :mod:`.worker` (threads in which the newest question counts) and
:mod:`.page` (the widgets; it imports what loads slowly when there is something to compute).
"""
