"""A checkpoint in MLflow's own format, so that `mlflow.transformers` and `mlflow.pyfunc` load it from the registry.

A package holds the checkpoint as it is in `model/`, its manifest included, and around it what MLflow needs to load it.
The weights are never read into memory. Where packages are kept is the registry's business.
"""

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from twin_assets.documents import content_hash, text_hash
from twin_assets.errors import UserError

if TYPE_CHECKING:
    from mlflow.models import Model

CHECKPOINT = "model"
"""Folder of the checkpoint in a package; MLflow gives the name."""

TRAINED_ON = "trained_on.json"
"""What the model and those that it was made from were trained on: document ids by stage."""

LIBRARIES = ("mlflow", "transformers", "torch", "accelerate")
"""What is needed to load a package."""

TASK = "llm/v1/chat"
"""MLflow's name of a model that is asked in conversations: the chat template is applied for whoever asks."""

_COMPONENTS = "components"
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
"""Files of a tokenizer, of which MLflow wants a second copy in a folder of their own."""

_WRITTEN_BY_LOADING = "registered_model_meta"
"""A file that MLflow lays into a package when it loads it from a local folder."""


def write_package(
    checkpoint: Path,
    package: Path,
    *,
    model: "Model",
    base_model: str,
    licence: str,
    trained_on: Mapping[str, Sequence[str]],
) -> None:
    """Write the package of a checkpoint; its files are links, so that they are copied once, by who stores it.

    MLflow's own `save_model` would load the weights, or copy them once more; what it writes around them is a
    description in MLflow's storage format (https://mlflow.org/docs/latest/ml/model/), which is written here.

    Args:
        checkpoint: Folder of the checkpoint: configuration, tokenizer and weights.
        package: Where it is written; must not exist.
        model: MLflow's description of the model, which the package completes.
        base_model: Location of the base model, for the reader.
        licence: Licence of the weights.
        trained_on: Document ids by stage.

    Raises:
        UserError: If the checkpoint has no configuration or no tokenizer, and so cannot be loaded.
    """
    from mlflow import pyfunc
    from mlflow.models.model import MLMODEL_FILE_NAME
    from mlflow.transformers.llm_inference_utils import infer_signature_from_llm_inference_task

    architecture = _read(checkpoint / "config.json")["architectures"][0]
    tokenizer = _read(checkpoint / "tokenizer_config.json")["tokenizer_class"]
    for path in sorted(path for path in checkpoint.rglob("*") if path.is_file()):
        name = path.relative_to(checkpoint)
        _link(package / CHECKPOINT / name, path)
        if path.parent == checkpoint and path.name in _TOKENIZER:
            _link(package / _COMPONENTS / "tokenizer" / name, path)
    model.signature = infer_signature_from_llm_inference_task(TASK)
    model.metadata = {"task": TASK}
    model.add_flavor(
        "transformers",
        transformers_version=version("transformers"),
        code=None,
        task="text-generation",
        inference_task=TASK,
        instance_type="TextGenerationPipeline",
        torch_dtype=None,
        pipeline_model_type=architecture,
        model_binary=CHECKPOINT,
        source_model_name=base_model,
        components=["tokenizer"],
        tokenizer_type=tokenizer,
    )
    pyfunc.add_to_model(
        model, loader_module="mlflow.transformers", conda_env="conda.yaml", python_env="python_env.yaml"
    )
    _write_environment(package)
    (package / "LICENSE.txt").write_text(f"Licence of the base model, {base_model}: {licence}\n", encoding="utf-8")
    (package / TRAINED_ON).write_text(
        json.dumps({stage: sorted(ids) for stage, ids in trained_on.items()}, indent=2) + "\n", encoding="utf-8"
    )
    model.model_size_bytes = sum(path.stat().st_size for path in package.rglob("*") if path.is_file())
    model.save(str(package / MLMODEL_FILE_NAME))


def packaging_hash(package: Path) -> str:
    """Return a hash of everything in a package but the checkpoint, which has a manifest of its own."""
    files = (path for path in package.rglob("*") if path.is_file())
    names = {path.relative_to(package).as_posix(): path for path in files}
    return content_hash(
        {
            name: text_hash(path.read_text(encoding="utf-8"))
            for name, path in sorted(names.items())
            if not name.startswith(f"{CHECKPOINT}/") and name != _WRITTEN_BY_LOADING
        }
    )


def checkpoint_in(package: Path) -> Path:
    """Return the checkpoint's folder in what the registry keeps; a version older than packages is a bare checkpoint."""
    inner = package / CHECKPOINT
    return inner if inner.is_dir() else package


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target.absolute())


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing, so the checkpoint cannot be loaded: train it again.") from error
    return content


def _write_environment(package: Path) -> None:
    """Write what has to be installed to load the package, as MLflow reads it."""
    requirements = [f"{library}=={version(library)}" for library in LIBRARIES]
    python = platform.python_version()
    (package / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
    environment = {"python": python, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
    (package / "python_env.yaml").write_text(yaml.safe_dump(environment, sort_keys=False), encoding="utf-8")
    conda = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": requirements}],
    }
    (package / "conda.yaml").write_text(yaml.safe_dump(conda, sort_keys=False), encoding="utf-8")
