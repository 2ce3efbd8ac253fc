"""The explorer: change the sentence and watch attention move.

Each layer is usable without the next: :mod:`.pictures` (from arrays to pixels), :mod:`.session`
(models, what they predicted, the data beside them, scores), :mod:`.view` (a state of the explorer,
everything it shows, and the same as files), :mod:`.controls` (what there is to set) and
:mod:`.page` (the whole; it imports what loads slowly when there is something to compute).
"""
