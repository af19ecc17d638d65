"""Small, made-up measurements for the tests of the evaluation room."""

import pytest

from twin_assets.evaluation.bootstrap import Interval
from twin_assets.evaluation.faults import TextFaults
from twin_assets.evaluation.likeness import Likeness
from twin_assets.evaluation.perplexity import DocumentLoss, perplexity_score
from twin_assets.evaluation.reports import EvalReport, ModelScores, Sample


def interval(estimate, spread=0.05, n=10):
    return Interval(estimate=estimate, low=estimate - spread, high=estimate + spread, level=0.95, n=n)


def likeness_at(own_delta, spread=0.05):
    return Likeness(
        own="ada",
        deltas={"ada": interval(own_delta, spread), "bob": interval(1.3, spread)},
        n_texts=10,
        n_words=2000,
        block_words=1000,
    )


def faults_of(**shares):
    """Ten answers without fault, but for the metrics given: a share for all of them, or a list of shares."""
    values = {"answered": 1.0, "varied": 1.0, "own_words": 1.0, **shares}
    lists = {metric: value if isinstance(value, list) else [value] * 10 for metric, value in values.items()}
    return TextFaults(shares={metric: {f"p{i}": v for i, v in enumerate(of)} for metric, of in lists.items()})


NO_FAULTS = faults_of()


def scores_of(model, nats_per_token, *, documents=range(6), likeness=None, wobble=0.0, faults=NO_FAULTS):
    """A model that spends so many nats a token on documents of 100 tokens and 400 bytes; likeness may be a Delta."""
    losses = [
        DocumentLoss(
            document_id=f"document-{i}", nll=100 * (nats_per_token + wobble * (-1) ** i), tokens=100, n_bytes=400
        )
        for i in documents
    ]
    return ModelScores(
        model=model,
        version=f"{model}-1",
        perplexity=perplexity_score(losses),
        likeness=likeness_at(likeness) if isinstance(likeness, float) else likeness,
        faults=faults,
    )


@pytest.fixture
def make_likeness():
    return likeness_at


@pytest.fixture
def make_scores():
    return scores_of


@pytest.fixture
def make_faults():
    return faults_of


@pytest.fixture
def make_interval():
    return interval


@pytest.fixture(scope="session")
def report():
    base = scores_of("base", 4.0, likeness=1.4)
    sft = scores_of("sft", 3.5, likeness=1.0)
    dpo = scores_of("dpo", 3.4, likeness=0.9)
    return EvalReport(
        author="ada",
        author_name="Ada <Countess>",
        models=(base, sft, dpo),
        human=likeness_at(0.8),
        attribution=None,
        samples=(
            Sample(
                document_id="document-1",
                prompt="Why <b>engines</b>?",
                author_text="Because they weave.",
                texts={"base": "the of", "sft": "They weave.", "dpo": "Because they weave algebra."},
            ),
        ),
        chosen="dpo",
        chosen_because="DPO is chosen, because it is nearer.",
        provenance={"Base model": "tiny-llama 3f9a"},
    )
