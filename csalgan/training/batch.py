"""What one step of training sees."""

from dataclasses import dataclass

from torch import Tensor

from csalgan.text.sentences import Sentences
from csalgan.training.losses import Measured


@dataclass(frozen=True)
class Batch:
    """Tensors of one step, on the device: B images, R records of them.

    ``image`` (B, 3, S, S) float RGB in [0, 1]; ``text`` (R, D) float, or R sentences;
    ``measured`` what is known of the R records.
    """

    image: Tensor
    text: Tensor | Sentences
    measured: Measured

    def __len__(self) -> int:
        """How many records."""
        return len(self.measured.image)

    def images(self, low: int, high: int) -> "Batch":
        """The images from ``low`` to before ``high``, with all their records."""
        of = self.measured.image
        rows = ((of >= low) & (of < high)).nonzero()[:, 0]
        m, text = self.measured, self.text
        text = text.rows(rows) if isinstance(text, Sentences) else text[rows]
        measured = Measured(m.saliency_map[rows], m.fixations[rows], of[rows] - low)
        return Batch(self.image[low:high], text, measured)
