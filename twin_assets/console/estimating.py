"""What `twin estimate` does: what each stage of an author's training would take, and where else it could run.

The figures come from `twin_assets.training.estimating`; nothing is started, and nothing is written.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resources.artifacts import ArtifactStore
from resources.estimator import Estimator
from resources.project import Project
from twin_assets.collection.authors import load_author
from twin_assets.console.commands import run_config
from twin_assets.console.saying import say
from twin_assets.console.tables import print_rows
from twin_assets.documents import Author
from twin_assets.errors import UserError
from twin_assets.settings import OFFLINE_BASE_MODEL, Settings
from twin_assets.training.base import n_parameters_of
from twin_assets.training.chat_template import chat_template_hash
from twin_assets.training.defaults import resolve
from twin_assets.training.estimating.device import GIB, Device
from twin_assets.training.estimating.estimate import Estimate, assumptions
from twin_assets.training.estimating.fitting import proposals, refusal
from twin_assets.training.hyperparameters import DPOHyperparameters, FineTuning, SFTHyperparameters
from twin_assets.training.spec import Stage, TrainingSpec

DATASETS: dict[Stage, str] = {"sft": "instruct_dataset", "dpo": "preference_dataset"}
"""The stages of an author's training, and what each is trained on."""


def show_estimate(slug: str, *, instance: str | None, config: Path | None, as_json: bool) -> None:
    """Print what each stage would take on the machine of the settings, and on every instance of the price table.

    Raises:
        UserError: If nothing is there to be estimated: no dataset, or no base model.
    """
    settings = Settings.load()
    author = load_author(settings.authors_dir, slug)
    estimator = Estimator.from_settings(settings)
    device = estimator.prices().device(instance) if instance else estimator.device()
    if device is None:
        raise UserError("Say on which instance type to estimate: --instance, or TWIN_TRAINING_INSTANCE.")
    specs, missing = _specs(author, settings, run_config(config))
    if not specs:
        raise UserError(f"{slug} has no dataset yet: twin build {slug} --until instruct_dataset.")
    estimates = [estimator.estimate(spec, device) for spec in specs]
    elsewhere = {
        spec.stage: [estimator.estimate(spec, other) for other in estimator.prices().devices()] for spec in specs
    }
    if as_json:
        shown = [_as_json(estimate, elsewhere[estimate.plan.stage], estimator) for estimate in estimates]
        print_rows(shown, title=slug, as_json=True)
        return
    print_rows(_side_by_side(estimates), title=f"Training {slug} on {device.name}", as_json=False)
    table = estimator.prices()
    for stage, others in elsewhere.items():
        fitting = sorted((one for one in others if one.fits), key=lambda one: one.cost.on_demand if one.cost else 0.0)
        if fitting:
            title = f"Instances that hold {stage}: {table.region}, prices of {table.date}"
            print_rows([_elsewhere(one) for one in fitting], title=title, as_json=False)
        else:
            say(f"No instance of the price table holds {stage} with these settings.")
    for estimate in estimates:
        _say_whether_it_fits(estimate, estimator)
    for dataset in missing:
        say(f"{dataset} is not built yet: what trains on it is not estimated.")
    say(f"{assumptions()} Prices: {table.source}.")


def _specs(author: Author, settings: Settings, run: Mapping[str, Any]) -> tuple[list[TrainingSpec], list[str]]:
    """Return the specs of the stages whose dataset is there, and the datasets that are missing.

    Both stages are estimated on the base model: the SFT checkpoint that DPO starts from has the same shapes.
    """
    project, artifacts = Project.from_settings(settings), ArtifactStore.from_settings(settings)
    location = project.base_model
    if location == OFFLINE_BASE_MODEL:
        location = str(artifacts.path("base_model"))
        if not artifacts.path("base_model").exists():
            raise UserError(f"The base model is not built yet: twin build {author.slug} --until base_model.")
    n_parameters = n_parameters_of(location, project.base_model_revision, offline=project.hub_offline)
    specs, missing = [], []
    for stage, dataset in DATASETS.items():
        path = artifacts.path(dataset, author.slug)
        if not (path / "train.parquet").exists():
            missing.append(dataset)
            continue
        specs.append(
            TrainingSpec(
                stage=stage,
                author=author.slug,
                base_model=location,
                base_model_version="estimated",
                base_model_revision=project.base_model_revision,
                dataset_uri=str(path),
                dataset_version="estimated",
                output_uri=str(artifacts.path(f"{stage}_checkpoint", author.slug)),
                hyperparameters=_hyperparameters(stage, author, run, project, n_parameters=n_parameters),
                seed=project.seed,
                chat_template_hash=chat_template_hash(),
                code_version="estimated",
            )
        )
    return specs, missing


def _hyperparameters(
    stage: Stage, author: Author, run: Mapping[str, Any], project: Project, *, n_parameters: int | None
) -> FineTuning:
    """Return the settings of a stage as its asset resolves them."""
    ops = run.get("ops", {}).get(f"{stage}_checkpoint", {}).get("config", {})
    kind: type[FineTuning] = SFTHyperparameters if stage == "sft" else DPOHyperparameters
    return resolve(
        kind,
        run={name: value for name, value in ops.items() if name != "force"},
        author=author.training.sft if stage == "sft" else author.training.dpo,
        author_file=project.authors_path / f"{author.slug}.yaml",
        field=f"training.{stage}",
        n_parameters=n_parameters,
    ).settings


def _side_by_side(estimates: list[Estimate]) -> list[dict[str, Any]]:
    """Return a row per figure and a column per stage."""
    figures = [estimate.figures() for estimate in estimates]
    names = [name for name in figures[0] if name not in {"stage", "device"}]
    return [
        {"figure": name.replace("_", " "), **{one["stage"]: _readable(one[name]) for one in figures}} for name in names
    ]


def _elsewhere(estimate: Estimate) -> dict[str, Any]:
    device, cost = estimate.device, estimate.cost
    return {
        "instance": device.name,
        "service": device.service,
        "GPUs": device.count,
        "USD an hour": device.usd_per_hour,
        "needs GiB": round(estimate.memory.total / GIB, 1),
        "of GiB": round(device.memory / GIB, 1),
        "hours": None if estimate.hours is None else round(estimate.hours, 2),
        "USD": None if cost is None else round(cost.on_demand, 2),
        "USD on spot, at best": None if cost is None else round(cost.lowest, 2),
    }


def _as_json(estimate: Estimate, elsewhere: list[Estimate], estimator: Estimator) -> dict[str, Any]:
    return {
        **estimate.figures(),
        "max_cost_usd": estimator.max_cost,
        "refused": refusal(estimate, max_cost=estimator.max_cost),
        "would_fit": [
            {"settings": dict(one.changes), "environment": dict(one.environment), "takes": one.summary()}
            for one in _proposals(estimate, estimator)
        ],
        "elsewhere": [other.figures() for other in elsewhere],
    }


def _say_whether_it_fits(estimate: Estimate, estimator: Estimator) -> None:
    reason = refusal(estimate, max_cost=estimator.max_cost)
    if reason is None:
        return
    say(f"{reason}: it would be refused.")
    for proposal in _proposals(estimate, estimator)[:3]:
        say(f"It would fit with\n{proposal.lines()}\n# {proposal.summary()}")


def _proposals(estimate: Estimate, estimator: Estimator) -> list[Any]:
    if refusal(estimate, max_cost=estimator.max_cost) is None:
        return []
    others: list[Device] = estimator.others()
    return proposals(estimate, max_cost=estimator.max_cost, others=others)


def _readable(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else value
