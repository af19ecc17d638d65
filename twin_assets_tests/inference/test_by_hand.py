"""`twin promote` and `twin rollback` on models that were never trained: what they ask, and what they say."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from twin_assets.console import models


@pytest.fixture
def at_hand(serving, make_report, tmp_path, monkeypatch):
    """The commands' own settings lead to three versions, of which the second was champion and the third is."""
    monkeypatch.setenv("TWIN_HOME", str(Path(serving.tracker.folder).parent))
    monkeypatch.setenv("TWIN_AUTHORS_DIR", str(serving.project.authors_path))
    monkeypatch.setenv("TWIN_ARTIFACTS_URI", serving.artifacts.root)
    # The instance of these tests is in memory, and holds the checks that the commands ask for.
    monkeypatch.setattr(models, "local_instance", lambda _: nullcontext(serving.instance))
    serving.register(make_report("dpo", sft=3.2, dpo=3.0))
    serving.train("dpo", "better weights")
    serving.register(make_report("dpo", sft=3.2, dpo=2.5))
    assert serving.aliases() == {"candidate": "3", "champion": "3", "previous": "2"}
    return serving


def test_a_rollback_after_an_interrupted_one_finishes_it_and_says_so(at_hand, killed_before_previous, capsys):
    killed_before_previous(lambda: models.roll_back_champion(at_hand.author, reason="it talks nonsense"))
    models.roll_back_champion(at_hand.author, reason="again")
    assert at_hand.aliases() == {"candidate": "3", "champion": "2"}
    assert "was interrupted, and is finished now: version 2 is the champion" in capsys.readouterr().out
