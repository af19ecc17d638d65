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


def test_a_check_that_was_mended_since_the_registration_stands_in_nobody_s_way(at_hand):
    at_hand.tracker.set_tags(at_hand.name, "1", {"checks_failed": "sft_checkpoint: manifest_is_whole"})
    models.promote_version(at_hand.author, "1")
    assert at_hand.champions() == ["1"]


def test_a_check_that_failed_since_the_registration_has_to_be_insisted_on(at_hand):
    at_hand.checked("sft_checkpoint", manifest_is_whole=dg.AssetCheckSeverity.ERROR)
    with pytest.raises(UserError, match=r"failed or have not run: sft_checkpoint: manifest_is_whole\. Use --force"):
        models.promote_version(at_hand.author, "1")
    models.promote_version(at_hand.author, "1", force=True)
    assert at_hand.champions() == ["1"]


def test_a_check_that_does_not_block_and_runs_beside_the_registration_is_not_held_against_the_version(
    at_hand, make_report
):
    at_hand.train("sft", "other weights")
    # Only those that block have run by now, as when a daemon starts the others at the same time.
    at_hand.checked("sft_checkpoint", only_blocking=True)
    at_hand.register(make_report("dpo", sft=3.2, dpo=2.5))
    tags = at_hand.tags("4")
    assert "sft_checkpoint: loss_fell" in tags["checks_missing"]
    assert "checks_failed" not in tags
    models.promote_version(at_hand.author, "4")
    assert at_hand.champions() == ["4"]


@pytest.mark.parametrize("tag", ["checks_failed", "checks_missing"])
def test_of_a_checkpoint_that_is_gone_the_tags_of_the_version_tell(at_hand, tag):
    at_hand.tracker.set_tags(at_hand.name, "2", {tag: "dpo_checkpoint: loss_fell, dpo_checkpoint: manifest_is_whole"})
    with pytest.raises(UserError, match=r"when it was registered: .*dpo_checkpoint: manifest_is_whole\. Use --force"):
        models.promote_version(at_hand.author, "2")


def test_of_a_checkpoint_that_is_gone_a_check_that_blocks_nothing_may_not_have_run(at_hand):
    at_hand.tracker.set_tags(at_hand.name, "2", {"checks_missing": "dpo_checkpoint: loss_fell"})
    models.promote_version(at_hand.author, "2")
    assert at_hand.champions() == ["2"]
