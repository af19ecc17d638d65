"""`twin promote` and `twin rollback` on models that were never trained: what they ask, and what they say."""

from contextlib import nullcontext
from pathlib import Path

import dagster as dg
import pytest

from twin_assets.console import models
from twin_assets.errors import UserError
from twin_assets.inference.check_states import check_states
from twin_assets.inference.checks import no_version_knows_a_deleted_document


@pytest.fixture
def at_hand(serving, make_report, tmp_path, monkeypatch):
    """The commands' own settings lead to three versions, of which the second was champion and the third is."""
    monkeypatch.setenv("TWIN_HOME", str(Path(serving.tracker.folder).parent))
    monkeypatch.setenv("TWIN_AUTHORS_DIR", str(serving.project.authors_path))
    monkeypatch.setenv("TWIN_ARTIFACTS_URI", serving.artifacts.root)
    # The instance of these tests is in memory, and holds the checks that the commands ask for.
    monkeypatch.setattr(models, "local_instance", lambda _: nullcontext(serving.instance))
    serving.register(make_report("dpo", sft=3.2, dpo=3.0))
    serving.train("dpo", "better weights", trained_on=("d3",))
    serving.register(make_report("dpo", sft=3.2, dpo=2.5))
    assert serving.aliases() == {"candidate": "3", "champion": "3", "previous": "2"}
    serving.keep("d1", "d2", "d3")
    return serving


def test_a_rollback_after_an_interrupted_one_finishes_it_and_says_so(at_hand, killed_before_previous, capsys):
    killed_before_previous(lambda: models.roll_back_champion(at_hand.author, reason="it talks nonsense"))
    models.roll_back_champion(at_hand.author, reason="again")
    assert at_hand.aliases() == {"candidate": "3", "champion": "2"}
    assert "was interrupted, and is finished now: version 2 is the champion" in capsys.readouterr().out


def deletions_check(serving):
    """Return how the check of deleted documents stands for the author, as the page of the asset shows it."""
    [spec] = no_version_knows_a_deleted_document.check_specs
    [state] = check_states(serving.instance, [spec], serving.author, assets=["registered_model"])
    return state.state


def test_a_rollback_to_what_knows_a_deleted_document_has_to_be_insisted_on(at_hand, capsys):
    at_hand.instance.report_runless_asset_event(dg.AssetMaterialization("registered_model", partition=at_hand.author))
    at_hand.keep("d1", "d3")
    with pytest.raises(UserError, match=r"Against version 2 .*: 1 of the documents .* deleted since\. Use --force"):
        models.roll_back_champion(at_hand.author, reason="it talks nonsense")
    assert at_hand.champions() == ["3"]
    assert "rolled_back" not in at_hand.tags("3")

    models.roll_back_champion(at_hand.author, reason="it talks nonsense", force=True)
    assert at_hand.champions() == ["2"]
    assert "Against version 2" in capsys.readouterr().err
    # A champion that knows withdrawn words is an error, and not a check that has not run.
    assert deletions_check(at_hand) == "failed"


def test_a_rollback_leaves_the_check_of_deleted_documents_as_one_that_ran(at_hand):
    at_hand.instance.report_runless_asset_event(dg.AssetMaterialization("registered_model", partition=at_hand.author))
    models.roll_back_champion(at_hand.author, reason="it talks nonsense")
    assert deletions_check(at_hand) == "passed"
