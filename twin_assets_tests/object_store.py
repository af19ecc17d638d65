"""An object store on loopback: moto's server, which real clients reach over HTTP.

It is a process of its own, because moto keeps one state for a whole process: emptying this store would empty the cloud
of `cloud_server` too.
"""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import boto3

BUCKET = "twin"
REGION = "eu-west-1"
START_SECONDS = 60.0


@dataclass(frozen=True)
class ObjectStore:
    """A store that answers."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        """Where clients find it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            # No look for credentials or a region outside this machine.
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def empty(self) -> None:
        """Leave one empty bucket."""
        reset = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")  # noqa: S310 - on loopback
        urllib.request.urlopen(reset, timeout=10).close()  # noqa: S310
        client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106 - no secret: the store is on loopback
        )
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})

    def answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/moto-api/", timeout=10).close()  # noqa: S310
        except urllib.error.URLError:
            return False
        return True


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Serve an object store."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    store = ObjectStore(f"http://127.0.0.1:{port}")
    until = time.monotonic() + START_SECONDS
    try:
        while not store.answers():
            assert process.poll() is None, "the object store did not start"
            assert time.monotonic() < until, "the object store does not answer"
            time.sleep(0.1)
        yield store
    finally:
        process.terminate()
        process.wait(timeout=10)
