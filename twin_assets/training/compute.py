"""Two parts of a training spec beside the hyperparameters: the processes that train, and how often they save.

The number of processes decides the result, because the effective batch is a batch per process; how often a run is saved
does not. What starts the processes and what saves lives in the payload.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ZeroStage = Literal[0, 2, 3]


class Compute(BaseModel):
    """The processes that train together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: int = Field(default=1, ge=1, description="Machines; more than one needs a launcher that starts each of them")
    processes_per_node: int = Field(default=1, ge=1, description="Processes on each machine; on GPUs, one for each")
    zero_stage: ZeroStage = Field(
        default=0,
        description="DeepSpeed ZeRO (Rajbhandari et al. 2020): 0 keeps a whole copy in each process (DDP), 2 divides "
        "optimizer state and gradients among them, 3 the weights as well",
    )

    @model_validator(mode="after")
    def _divides_among_several(self) -> Self:
        if self.zero_stage and self.processes == 1:
            raise ValueError("zero_stage divides a model among processes: give more than one, or leave it out")
        return self

    @property
    def processes(self) -> int:
        """Processes on all machines together."""
        return self.nodes * self.processes_per_node


class Saving(BaseModel):
    """How often a run is saved, so that it can go on after an interruption."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every_steps: int = Field(default=0, ge=0, description="Optimizer steps between two saves; 0 saves by the clock")
    every_minutes: float = Field(
        default=10.0, gt=0, description="Minutes between two saves by the clock: the work that a kill can cost"
    )
    root: str | None = Field(
        default=None,
        description="Folder, also in an object store, where the saves of a spec have a folder of their own; if none, "
        "it is beside the output",
    )
    keep: int = Field(default=2, ge=2, description="Saves that are kept; the one before the last is the way back")
