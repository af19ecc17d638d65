"""What is said about a training that goes on, but not as a healthy one does: exploding gradients, pairs too easy.

An alarm ends nothing. It is a line in the log, a warning in the manifest and a check that does not pass. A loss that is
no number ends the run, in `reporting`.
"""

from statistics import median

EXPLOSION = 100.0
"""A gradient norm this many times the median so far is an explosion.

The norms of a healthy run differ by the rows in the batch, and spike to several times their median. Two orders of
magnitude are beyond what rows explain; clipping then leaves the direction of that one batch, and Adam's second moment
remembers it for a thousand steps.
"""

NORMS_FOR_A_MEDIAN = 5
ABSOLUTE = 1000.0
"""Without a median to compare with: a norm this many times the one that gradients are clipped at."""

EASY_PAIRS = 8
"""So many pairs in a row told apart are no accident: a model that cannot tell them does so once in 256 tries."""


class Alarms:
    """Looks at each logged row, and keeps what it had to say. Each kind of alarm is said once, with its first step."""

    def __init__(self) -> None:
        """Begin without an alarm."""
        self.raised: dict[str, str] = {}
        self._norms: list[float] = []
        self._told_apart = 0

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that was said, in order."""
        return tuple(self.raised.values())

    def gradients(self, step: int, norm: float, *, clipped_at: float) -> str | None:
        """Look at a gradient norm, as it was before clipping.

        Returns:
            What is to be said, if it is an explosion and the first one.
        """
        usual = median(self._norms) if len(self._norms) >= NORMS_FOR_A_MEDIAN else None
        self._norms.append(norm)
        if usual is not None and norm > EXPLOSION * usual:
            against = f"{norm / max(usual, 1e-12):.0f} times the median before it"
        elif norm > ABSOLUTE * clipped_at:
            against = f"more than {ABSOLUTE:.0f} times the {clipped_at:g} that gradients are clipped at"
        else:
            return None
        return self._say(
            "gradients",
            f"Gradients exploded at step {step}: their norm is {norm:.3g}, {against}; lower the learning rate, "
            "lengthen the warm-up, or look for broken rows.",
        )

    def rewards(self, step: int, steps: int, accuracy: float, *, pairs: int) -> str | None:
        """Look at the reward accuracy of the pairs since the last row.

        Returns:
            What is to be said, if every pair is told apart within the first tenth of the steps.
        """
        if step > max(1, steps // 10):
            return None
        self._told_apart = self._told_apart + pairs if accuracy >= 1.0 else 0
        if self._told_apart < EASY_PAIRS:
            return None
        return self._say(
            "rewards",
            f"Every pair was told apart at step {step} of {steps}, within the first tenth: the pairs are too easy to "
            "learn from, or chosen and rejected differ in something that gives them away, as their length.",
        )

    def _say(self, kind: str, sentence: str) -> str | None:
        if kind in self.raised:
            return None
        self.raised[kind] = sentence
        return sentence
