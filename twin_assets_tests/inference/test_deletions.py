"""Versions that were trained on a document that is gone: found, tagged, and worse if one of them is champion."""

import dagster as dg
import pytest
from dagster._core.execution.context.invocation import DirectAssetCheckExecutionContext

from twin_assets.inference.checks import no_version_knows_a_deleted_document


def checked(serving, *there: str) -> dg.AssetCheckResult:
    context = DirectAssetCheckExecutionContext(op_execution_context=dg.build_op_context(partition_key=serving.author))
    serving.keep(*there)
    return no_version_knows_a_deleted_document(context, artifacts=serving.artifacts, tracker=serving.tracker)


def card(serving, version: str) -> str:
    return serving.tracker._client.get_model_version(serving.name, version).description


@pytest.fixture
def registered(serving, make_report):
    """Version 1 (SFT) knows d1 and d2; version 2 (DPO), the champion, was trained on d3 and knows these, too."""
    sft = serving.train("sft", "sft weights")
    serving.train("dpo", "dpo weights", trained_on=("d3",), base=sft.data_version)
    serving.register(make_report("dpo", sft=3.2, dpo=3.0))
    return serving


def test_while_every_document_is_there_the_check_passes_and_tags_nothing(registered):
    assert checked(registered, "d1", "d2", "d3", "another").passed
    assert "deleted_documents" not in registered.tags("1")


def test_a_champion_that_knows_a_deleted_document_is_an_error(registered):
    result = checked(registered, "d1", "d2")
    assert not result.passed
    assert result.severity == dg.AssetCheckSeverity.ERROR
    assert "version 2 was trained on 1, d3 for one" in (result.description or "")
    assert registered.tags("2")["deleted_documents"] == "1"
    assert "deleted_documents" not in registered.tags("1")
    assert "**1 of the documents that it was trained on have been deleted since.**" in card(registered, "2")
    assert "**champion**" in card(registered, "2")
    assert "deleted since" not in card(registered, "1")


def test_a_document_that_only_the_model_below_was_trained_on_counts(registered):
    checked(registered, "d2", "d3")
    assert (registered.tags("1")["deleted_documents"], registered.tags("2")["deleted_documents"]) == ("1", "1")


def test_a_version_that_is_no_champion_is_a_warning(registered):
    registered.tracker.remove_alias(registered.name, "champion")
    result = checked(registered, "d1", "d2")
    assert not result.passed
    assert result.severity == dg.AssetCheckSeverity.WARN


def test_a_document_that_comes_back_takes_the_flag_away(registered):
    checked(registered, "d1", "d2")
    assert checked(registered, "d1", "d2", "d3").passed
    assert registered.tags("2")["deleted_documents"] == "0"
    assert "deleted since" not in card(registered, "2")
