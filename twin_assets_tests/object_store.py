"""An object store on loopback: moto's server, which real clients reach over HTTP."""

import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "twin"
REGION = "eu-west-1"


@contextmanager
def object_store() -> Iterator[Mapping[str, str]]:
    """Serve an object store with one empty bucket; yields the environment in which clients find it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        # No look for credentials or a region outside this machine.
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    try:
        # Its state belongs to the process, and outlives a server.
        reset = urllib.request.Request(f"{environment['AWS_ENDPOINT_URL']}/moto-api/reset", method="POST")  # noqa: S310
        urllib.request.urlopen(reset, timeout=10).close()  # noqa: S310 - on loopback
        client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106 - no secret: the store is on loopback
        )
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield environment
    finally:
        server.stop()
