"""AWS on loopback: moto's server (S3, SageMaker, ECS, logs), and a gateway before it that every request passes.

The gateway counts calls, answers with the faults that a test asks for, and adds what moto lacks: of SageMaker a name
that is taken, a job that takes its time, a job that can be stopped; of ECS a client token that is taken. Clients are
real boto3 ones, over HTTP. What runs the jobs stands in `job_runner`.
"""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from moto.backends import get_backend
from moto.moto_api import state_manager
from moto.server import ThreadedMotoServer

ACCOUNT = "123456789012"
REGION = "eu-west-1"
BUCKET = "twin-test"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/twin-trainer"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIALOOPBACK",
    "AWS_SECRET_ACCESS_KEY": "loopback-secret-do-not-print",
    "AWS_DEFAULT_REGION": REGION,
}


@dataclass(frozen=True)
class Call:
    """One request."""

    service: str
    action: str
    """Name of the API call; for S3 the HTTP method."""
    path: str
    body: bytes

    @property
    def parameters(self) -> dict[str, Any]:
        return json.loads(self.body) if self.body else {}


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/x-amz-json-1.1"),)


def error(code: str, message: str, status: int = 400) -> Answer:
    return Answer(status, json.dumps({"__type": code, "message": message}).encode())


def s3_error(code: str, status: int) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return Answer(status, body.encode(), (("Content-Type", "application/xml"),))


Fault = Callable[[Call], Answer | None]
"""Answers a call in place of AWS, or lets it pass with None."""


@dataclass
class Cloud:
    """The services, and what a test may do to them."""

    port: int
    moto_port: int
    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    after: dict[str, Fault] = field(default_factory=dict)
    """Called, by action, after AWS has done what was asked and before it says so; may say something else."""
    on_created: Callable[[str], None] = lambda _: None
    on_stop: Callable[[str], None] = lambda _: None
    on_task: Callable[[str], None] = lambda _: None
    on_task_stop: Callable[[str], None] = lambda _: None
    lock: threading.RLock = field(default_factory=threading.RLock)
    tokens: dict[str, tuple[bytes, Answer]] = field(default_factory=dict)
    """What was asked for with a client token of ECS, and answered."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to take this for AWS."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url, "AWS_CONFIG_FILE": "/dev/null"}

    def client(self, service: str, *, behind: bool = True) -> Any:
        """Return a client of the test's own: behind the gateway, where there are no faults."""
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.moto_port}" if behind else self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - moto takes any
        )

    def count(self, action: str) -> int:
        return Counter(call.action for call in self.calls)[action]

    def job(self, name: str) -> Any:
        """Return moto's own record of a training job, to be changed."""
        return get_backend("sagemaker")[ACCOUNT][REGION].training_jobs[name]

    def job_names(self) -> list[str]:
        return list(get_backend("sagemaker")[ACCOUNT][REGION].training_jobs)

    def task(self, arn: str) -> Any:
        """Return moto's own record of an ECS task, to be changed."""
        clusters = get_backend("ecs")[ACCOUNT][REGION].tasks.values()
        return next(
            task for tasks in clusters for known, task in tasks.items() if arn.endswith(task.id) or known == arn
        )

    def answer(self, call: Call, forward: Callable[[], Answer]) -> Answer:
        self.calls.append(call)
        for fault in list(self.faults):
            if answer := fault(call):
                return answer
        if call.action == "RunTask":
            answer = self._run_task(call, forward)
        else:
            answer = self._sagemaker(call, forward) if call.service == "sagemaker" else forward()
        if answer.status == 200 and call.action == "StopTask":
            self.on_task_stop(call.parameters["task"])
        hook = self.after.get(call.action)
        return (hook(call) if hook else None) or answer

    def _run_task(self, call: Call, forward: Callable[[], Answer]) -> Answer:
        token = call.parameters["clientToken"]
        with self.lock:
            if token not in self.tokens:
                answer = forward()
                if answer.status == 200:
                    self.tokens[token] = (call.body, answer)
                    self.on_task(json.loads(answer.body)["tasks"][0]["taskArn"])
                return answer
        asked, answer = self.tokens[token]
        if asked == call.body:
            return answer
        arns = [task["taskArn"] for task in json.loads(answer.body)["tasks"]]
        return Answer(400, json.dumps({"__type": "ConflictException", "message": "", "resourceIds": arns}).encode())

    def _sagemaker(self, call: Call, forward: Callable[[], Answer]) -> Answer:
        name = call.parameters.get("TrainingJobName", "")
        if call.action == "CreateTrainingJob":
            with self.lock:
                if name in self.job_names():
                    return error("ResourceInUse", f"Training job names must be unique: {name}")
                answer = forward()
                if answer.status == 200:
                    job = self.job(name)
                    job.training_job_status, job.secondary_status = "InProgress", "Starting"
                    job.secondary_status_transitions, job.training_end_time = [], None
            if answer.status == 200:
                self.on_created(name)
            return answer
        if call.action == "StopTrainingJob":
            if name not in self.job_names():
                return error("ValidationException", "Requested resource not found.")
            if self.job(name).training_job_status != "InProgress":
                return error("ValidationException", "The job is not in a state that can be stopped.")
            self.job(name).training_job_status = self.job(name).secondary_status = "Stopping"
            self.on_stop(name)
            return Answer(200, b"{}")
        return forward()


@contextmanager
def serve_cloud() -> Iterator[Cloud]:
    """Serve AWS on loopback, with one empty bucket."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    moto_port = moto.get_host_and_port()[1]
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Gateway)
    cloud = Cloud(port=server.server_address[1], moto_port=moto_port)
    server.cloud = cloud  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        # moto's state belongs to the process, and outlives a server.
        reset = HTTPConnection("127.0.0.1", moto_port)
        reset.request("POST", "/moto-api/reset")
        reset.getresponse().read()
        reset.close()
        # Tasks take the time that they take: moto would end them after a few looks.
        state_manager.set_transition("ecs::task", {"progression": "manual", "times": 10**9})
        cloud.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield cloud
    finally:
        server.shutdown()
        server.server_close()
        moto.stop()


class _Gateway(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self._body()
        call = Call(self._service(), self._action(), self.path, body)
        answer = self.server.cloud.answer(call, lambda: self._forward(body))  # type: ignore[attr-defined]
        self.send_response(answer.status)
        for name, value in answer.headers:
            if name.lower() not in {"transfer-encoding", "connection", "content-length", "date", "server"}:
                self.send_header(name, value)
        length = next((v for n, v in answer.headers if n.lower() == "content-length"), str(len(answer.body)))
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(answer.body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else answer.body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815 - http.server looks for these

    def _forward(self, body: bytes) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.server.cloud.moto_port, timeout=60)  # type: ignore[attr-defined]
        headers = {n: v for n, v in self.headers.items() if n.lower() not in {"connection", "expect"}}
        if self.headers.get("Transfer-Encoding"):
            headers = {n: v for n, v in headers.items() if n.lower() != "transfer-encoding"}
            headers["Content-Length"] = str(len(body))
        connection.request(self.command, self.path, body=body, headers=headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return Answer(response.status, content, tuple(response.getheaders()))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _service(self) -> str:
        found = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", self.headers.get("Authorization", ""))
        return found[1] if found else "s3"

    def _action(self) -> str:
        return self.headers.get("X-Amz-Target", "").rpartition(".")[2] or self.command

    def log_message(self, *_: object) -> None:
        """Say nothing: a test reads `Cloud.calls`."""
