"""The plot of a training: its history as a PNG of 900 pixels' width. How it looks is set in `twin_assets.canvas`."""

from collections.abc import Mapping, Sequence
from typing import Any

from twin_assets.canvas import Canvas, Theme

# Keys of the trainer's log: while training, on held-out rows, what it is, height of its panel.
_HISTORY_PANELS = (
    ("loss", "eval_loss", "loss", 3.0),
    ("rewards/margins", "eval_rewards/margins", "reward margin", 1.8),
    ("learning_rate", "", "learning rate", 1.3),
)


def loss_curve(history: Sequence[Mapping[str, Any]], *, theme: Theme = "light") -> bytes:
    """Draw a training history: loss by step, the reward margin where DPO logged one, and the learning rate.

    Args:
        history: Rows as a trainer logs them, each with `step` and any of `loss`, `eval_loss`, `learning_rate`,
            `rewards/margins`, `eval_rewards/margins`.
        theme: Ground of the plot.

    Raises:
        ValueError: If no row holds a loss.
    """
    if not any("loss" in row or "eval_loss" in row for row in history):
        raise ValueError("The training history holds no loss: train with logging on.")
    shown = [panel for panel in _HISTORY_PANELS if any(panel[0] in row or panel[1] in row for row in history)]
    heights = [panel[3] for panel in shown]
    canvas = Canvas(theme, 0.7 + 0.85 * sum(heights), heights)
    for ax, (trained, held_out, label, _) in zip(canvas.panels, shown, strict=True):
        colour = canvas.palette.muted if trained == "learning_rate" else canvas.palette.of_model("sft")
        ax.plot(*_series(history, trained), color=colour, linewidth=1.6, label="training")
        steps, values = _series(history, held_out)
        if values:
            ochre = canvas.palette.of_model("human")
            ax.plot(steps, values, color=ochre, linewidth=1.6, marker="o", markersize=4, label="held out")
            canvas.legend(ax)
        ax.set_ylabel(label)
        ax.grid(axis="y", color=canvas.palette.grid)
    canvas.panels[-1].set_xlabel("step")
    canvas.figure.align_ylabels(canvas.panels)
    return canvas.png()


def _series(history: Sequence[Mapping[str, Any]], key: str) -> tuple[list[float], list[float]]:
    rows = [row for row in history if key in row]
    return [row["step"] for row in rows], [row[key] for row in rows]
