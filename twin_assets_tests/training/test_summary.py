from twin_assets.training.launching import summary_of

METRICS = {"train_rows": 1200.0, "steps": 40.0, "train_loss": 2.345}


def test_a_training_says_its_rows_steps_and_losses():
    assert summary_of({**METRICS, "eval_loss": 2.5}) == "1,200 rows, 40 steps; loss 2.35, held out 2.50"


def test_a_training_without_test_rows_says_so_and_does_not_fail():
    assert summary_of(METRICS) == "1,200 rows, 40 steps; loss 2.35, nothing held out"
