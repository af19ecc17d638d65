"""Starting the processes of one training: the payload starts itself once for each; whoever started it need not care.

The process that was started becomes the parent: it reads and refuses, brings data to this machine, starts torch's
elastic agent in itself, and ends with the exit code that the processes came to. What is trained they do themselves.
"""

import ctypes
import importlib.util
import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twin_assets.training.compute import Compute
from twin_assets.training.payload.launcher import is_first_process
from twin_assets.training.spec import TrainingError, TrainingSpec

PROGRAM = "twin_assets.training.payload"
RESOURCE_CONFIG = Path("/opt/ml/input/config/resourceconfig.json")
"""Where SageMaker says which machines a job has (Amazon SageMaker developer guide, "How Amazon SageMaker provides
training information"); its training toolkit says the same in SM_HOSTS and SM_CURRENT_HOST."""

MASTER_PORT = 29500
"""torchrun's own default."""

SECONDS_TO_END = 30
"""How long the processes have to end after a signal before they are killed."""

SECONDS_FOR_THE_FIRST = 3

WORD_VARIABLE = "TWIN_PAYLOAD_SCRATCH"

PR_SET_PDEATHSIG = 1
"""`man 2 prctl`."""


@dataclass(frozen=True)
class Node:
    """This machine among those that train together."""

    rank: int
    master: str
    """Address of the first machine."""
    port: int = MASTER_PORT
    interface: str | None = None
    """Name of the network interface to the others."""


def is_one_of_several() -> bool:
    """Return whether this process was started by torchrun, or by a parent as described above."""
    return "LOCAL_RANK" in os.environ


def this_node(compute: Compute, environment: Mapping[str, str], resources: Mapping[str, Any] | None) -> Node:
    """Find this machine's place among the nodes.

    Args:
        compute: How many there must be.
        environment: SM_HOSTS and SM_CURRENT_HOST of SageMaker's toolkit, or NODE_RANK, MASTER_ADDR and MASTER_PORT of
            anyone else who starts the payload on each node.
        resources: SageMaker's resourceconfig.json, if there is one.

    Raises:
        TrainingError: If nobody says, or there are not as many machines as the spec wants.
    """
    if resources or "SM_HOSTS" in environment:
        hosts = list(resources["hosts"]) if resources else json.loads(environment["SM_HOSTS"])
        current = resources["current_host"] if resources else environment["SM_CURRENT_HOST"]
        if len(hosts) != compute.nodes:
            raise TrainingError(f"The spec wants {compute.nodes} nodes, the job has {len(hosts)}: make them agree.")
        # Every machine is told the hosts, but not that they stand in the same order.
        ordered = sorted(hosts)
        interface = (
            resources.get("network_interface_name") if resources else environment.get("SM_NETWORK_INTERFACE_NAME")
        )
        return Node(rank=ordered.index(current), master=ordered[0], interface=interface)
    try:
        rank, master = int(environment["NODE_RANK"]), environment["MASTER_ADDR"]
        port = int(environment.get("MASTER_PORT", MASTER_PORT))
    except (KeyError, ValueError) as error:
        raise TrainingError(
            f"The spec wants {compute.nodes} nodes: set NODE_RANK and MASTER_ADDR on each, or let SageMaker start them."
        ) from error
    if not 0 <= rank < compute.nodes:
        raise TrainingError(f"NODE_RANK is {rank}, but the spec wants {compute.nodes} nodes: count from 0.")
    return Node(rank=rank, master=master, port=port)


def torchrun_arguments(compute: Compute, node: Node | None, program: Sequence[str]) -> list[str]:
    """Return what torchrun is called with.

    Args:
        compute: The processes.
        node: This machine among several; None if it is the only one: a free port of its own is then found.
        program: Arguments of the payload.
    """
    meeting = (
        ["--standalone", "--local-addr=127.0.0.1"]
        if node is None
        else [f"--node-rank={node.rank}", f"--master-addr={node.master}", f"--master-port={node.port}"]
    )
    return [
        f"--nnodes={compute.nodes}",
        f"--nproc-per-node={compute.processes_per_node}",
        *meeting,
        # A process that failed would fail again; a new try is the launcher's to decide, and starts from a checkpoint.
        "--max-restarts=0",
        f"--shutdown-timeout={SECONDS_TO_END}",
        "-m",
        PROGRAM,
        *program,
    ]


def check_machine(compute: Compute) -> None:
    """Refuse what this machine cannot start.

    Raises:
        TrainingError: If DeepSpeed is needed and not there, or there are fewer GPUs than processes.
    """
    if compute.zero_stage and importlib.util.find_spec("deepspeed") is None:
        raise TrainingError(
            f"ZeRO-{compute.zero_stage} needs DeepSpeed, which is not installed: `pip install 'twin-assets[gpu]'`."
        )
    import torch

    if torch.cuda.is_available() and torch.cuda.device_count() < compute.processes_per_node:
        raise TrainingError(
            f"The spec wants {compute.processes_per_node} processes on each node, this one has "
            f"{torch.cuda.device_count()} GPUs: lower processes_per_node."
        )


def use_one_gpu() -> None:
    """Show this process one GPU, to be called before torch looks for any.

    Of several, transformers would feed all (`nn.DataParallel`): a step would read that many times the rows.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    os.environ["CUDA_VISIBLE_DEVICES"] = visible.partition(",")[0]


def wants_processes(spec_file: Path) -> bool:
    """Return whether this process is the parent of those that a spec asks for."""
    if is_one_of_several():
        return False
    try:
        return TrainingSpec.read(spec_file).compute.processes > 1
    except TrainingError:
        return False  # It is refused where every spec is.


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a folder for what parent and processes tell each other."""
    with tempfile.TemporaryDirectory(prefix="twin-processes-") as name:
        yield Path(name)


def leave_word(message: str) -> None:
    """Tell the parent why this process refuses.

    The first process speaks first: the end of one is the end of all, and it alone is heard by the launcher.
    """
    if not is_first_process():
        time.sleep(SECONDS_FOR_THE_FIRST)
    Path(os.environ[WORD_VARIABLE], f"refused-{os.environ['RANK']}").write_text(message, encoding="utf-8")


def word_left(scratch: Path) -> str | None:
    """Return why a process refused, if one did."""
    words = sorted(scratch.glob("refused-*"))
    return words[0].read_text(encoding="utf-8") if words else None


def start_processes(compute: Compute, program: Sequence[str], scratch: Path) -> int:
    """Run the payload in all processes of this node and wait for their end.

    Args:
        compute: The processes.
        program: Arguments of the payload.
        scratch: Where the processes leave word.

    Returns:
        0 if all ended well, else the exit code of the one that failed first; 128 and the number of a signal after one.

    Raises:
        TrainingError: If this machine's place among the nodes is not known.
    """
    import torch
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    resources = json.loads(RESOURCE_CONFIG.read_text(encoding="utf-8")) if RESOURCE_CONFIG.is_file() else None
    node = this_node(compute, os.environ, resources) if compute.nodes > 1 else None
    if node and node.interface:
        os.environ.setdefault("NCCL_SOCKET_IFNAME", node.interface)
        os.environ.setdefault("GLOO_SOCKET_IFNAME", node.interface)
    if compute.zero_stage and not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ[WORD_VARIABLE] = str(scratch)
    try:
        run(parse_args(torchrun_arguments(compute, node, program)))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        # A process that a signal ended has a negative code.
        return failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
    except SignalException as error:
        return 128 + error.sigval
    return 0


def end_with_the_parent(parent: int | None = None) -> None:
    """Let this process be killed when its parent is: nobody would wait for it, and it would hold a GPU.

    To Linux the parent is the thread that started this process, so that one has to wait for it.

    Args:
        parent: Id of the parent, if it was told: it may be gone already.

    Raises:
        SystemExit: If it is.
    """
    if hasattr(signal, "pthread_sigmask") and os.uname().sysname == "Linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if parent and os.getppid() != parent:
            raise SystemExit(128 + signal.SIGKILL)
