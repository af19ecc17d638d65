"""What a training runs on: this machine, or an instance of the price table.

How much of it a training takes stands in `estimate`.
"""

import shutil
import subprocess
from dataclasses import dataclass
from typing import Literal

import psutil  # type: ignore[import-untyped]

GIB = 2**30

CPU_FLOPS_PER_CORE = 2e10
"""Assumed peak of one CPU core in float32 (about 2.5 GHz, 8 operations per cycle). The time of a CPU training is a
rough figure: with a small model most of it is spent outside the matrix products."""

GPU_NAMES = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "A10G": 125e12, "L4": 121e12}
"""Peak bf16 operations per second, dense, of GPUs that this machine may have: NVIDIA's data sheets."""


@dataclass(frozen=True)
class Device:
    """A machine with one or more equal GPUs, or with none."""

    name: str
    service: Literal["local", "sagemaker", "ecs"]
    kind: Literal["cpu", "gpu"]
    count: int
    """GPUs; 1 for a CPU."""
    memory: int
    """Bytes of one GPU, or of the machine's free main memory."""
    peak_flops: float | None
    """Operations per second of one GPU, or of all cores; none if they are not known."""
    host_memory: int | None = None
    """Bytes of main memory beside the GPUs that a program can use; none if it is not known, or there is no GPU."""
    usd_per_hour: float | None = None
    spot_discount_up_to: float = 0.0


def this_machine() -> Device:
    """Return this machine: its first GPU if nvidia-smi names one, else its main memory as far as it is free.

    torch is not imported to find out.
    """
    return _gpu_here() or Device(
        name="this machine",
        service="local",
        kind="cpu",
        count=1,
        memory=psutil.virtual_memory().available,
        peak_flops=(psutil.cpu_count(logical=False) or 1) * CPU_FLOPS_PER_CORE,
    )


def _gpu_here() -> Device | None:
    if shutil.which("nvidia-smi") is None:
        return None
    asked = subprocess.run(
        ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    gpus = [line.rpartition(",") for line in asked.stdout.splitlines() if line.rpartition(",")[2].strip().isdigit()]
    if asked.returncode or not gpus:
        return None
    name, _, mebibytes = gpus[0]
    peak = next((flops for known, flops in GPU_NAMES.items() if known in name.replace(" ", "-").split("-")), None)
    return Device(
        name=f"this machine ({name.strip()})",
        service="local",
        kind="gpu",
        count=1,
        memory=int(mebibytes) * 2**20,
        peak_flops=peak,
        host_memory=psutil.virtual_memory().available,
    )
