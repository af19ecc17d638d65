"""Several processes that train together: what they ask of torch and DeepSpeed, and how divided weights come together.

How they are started stands in `processes`. The DeepSpeed configurations lie in `zero/`; what they leave at "auto" the
Hugging Face trainer fills from its own arguments. Their optimizer is torch's AdamW, which nothing has to be compiled
for; the schedule of the learning rate is the trainer's.
"""

from pathlib import Path
from typing import Any

import torch

from twin_assets.training.compute import Compute
from twin_assets.training.spec import TrainingError

CONFIGURATIONS = Path(__file__).with_name("zero")


def zero_configuration(stage: int) -> Path:
    """Return the DeepSpeed configuration of a ZeRO stage."""
    return CONFIGURATIONS / f"zero{stage}.json"


def distributed_arguments(compute: Compute) -> dict[str, Any]:
    """Return the trainer's arguments for several processes; none for one."""
    if compute.processes == 1:
        return {}
    on_gpus = torch.cuda.is_available()
    arguments: dict[str, Any] = {"ddp_backend": "nccl" if on_gpus else "gloo"}
    if compute.zero_stage:
        return {**arguments, "use_cpu": not on_gpus, "deepspeed": str(zero_configuration(compute.zero_stage))}
    # Without a word that it is to be the CPU, accelerate lets each process train alone where there is no GPU. Every
    # adapter and every weight takes part in every step.
    return {**arguments, "use_cpu": not on_gpus, "ddp_find_unused_parameters": False}


def check_group(trainer: Any, compute: Compute) -> None:
    """Make sure that the processes found each other: otherwise each would train alone, and nobody would see it.

    Raises:
        TrainingError: If the trainer is in a group of another size.
    """
    if trainer.args.world_size != compute.processes:
        raise TrainingError(
            f"The spec wants {compute.processes} processes, the trainer found {trainer.args.world_size}: start the "
            "payload itself, or torchrun with as many."
        )


def gathered_weights(trainer: Any) -> dict[str, torch.Tensor] | None:
    """Bring together what ZeRO-3 divided among the processes; all of them must call this.

    Returns:
        In the first process the weights that were trained, by name; in the others, and where nothing was divided, None.
    """
    engine = trainer.deepspeed
    if engine is None or not engine.zero_optimization_partition_weights():
        return None
    # 16 bit is what DeepSpeed calls it; the weights keep the type in which they were trained.
    weights: dict[str, torch.Tensor] | None = engine._zero3_consolidated_16bit_state_dict(  # noqa: SLF001  as accelerate
        exclude_frozen_parameters=True
    )
    return weights if trainer.is_world_process_zero() else None


def end_together(trainer: Any) -> None:
    """Leave the group of processes: what follows is done by the first one alone, on whole models."""
    if trainer.args.deepspeed:
        from transformers.integrations.deepspeed import unset_hf_deepspeed_config

        # Otherwise every model that is loaded from now on would be divided among processes that have gone.
        unset_hf_deepspeed_config()
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
