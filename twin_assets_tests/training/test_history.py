"""The log of a training, read back."""

import pytest

from twin_assets.training.history import loss_by_quarter, read_history
from twin_assets.training.manifest import ManifestError


def test_one_unlucky_batch_at_the_end_does_not_hide_that_the_loss_fell():
    losses = [2.0, 1.9, 1.8, 1.7, 1.6, 1.5, 1.2, 2.1]
    history = [{"step": step, "loss": loss} for step, loss in enumerate(losses)]

    assert loss_by_quarter([*history, {"step": 8, "eval_loss": 9.0}]) == (pytest.approx(1.95), pytest.approx(1.65))


def test_a_single_loss_shows_no_course():
    assert loss_by_quarter([{"step": 0, "loss": 2.0}, {"step": 0, "eval_loss": 2.0}]) is None


def test_a_checkpoint_without_a_log_is_to_be_trained_again(tmp_path):
    with pytest.raises(ManifestError, match="train the checkpoint again"):
        read_history(tmp_path)
