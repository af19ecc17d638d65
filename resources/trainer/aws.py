"""AWS as every remote trainer needs it: clients that try again, and which errors will pass.

Credentials, the region and the endpoint are boto3's business: it reads them from the environment, a profile or the
role of the machine. None of them is a setting of ours, so none can end up in metadata or a log.
"""

from typing import Any
from urllib.parse import urlsplit

from twin_assets.errors import UserError

PASSING = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "InternalError",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServerException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
"""Error codes after which the same question may well be answered (AWS, "Common errors", and those of the services)."""


def aws_client(service: str, region: str | None) -> Any:
    """Return a boto3 client that tries a call up to eight times, further and further apart.

    `standard` is botocore's own way: it tells throttling and outages from refusals, and waits with jitter.
    """
    import boto3
    from botocore.config import Config

    config = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=10, read_timeout=60)
    return boto3.client(service, region_name=region or None, config=config)


def error_code(error: Exception) -> str:
    """Return the code of an error that a service answered with; empty for any other exception."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def will_pass(error: BaseException) -> bool:
    """Return whether an error is of the kind that goes away by itself: throttling, an outage, a broken connection."""
    from botocore.exceptions import ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as NoConnection

    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error_code(error) in PASSING or status >= 500
    return isinstance(error, NoConnection | HTTPClientError)


def is_missing(error: Exception) -> bool:
    """Return whether an error says that what was asked for does not exist.

    SageMaker documents ResourceNotFound and answers a ValidationException that says the same in words.
    """
    if error_code(error) in {"ResourceNotFound", "ResourceNotFoundException", "NoSuchKey", "404"}:
        return True
    text = str(error).lower()
    return error_code(error) == "ValidationException" and ("not found" in text or "could not find" in text)


def bucket_and_key(address: str) -> tuple[str, str]:
    """Return the bucket and the key of an s3:// address.

    Raises:
        UserError: If it is none.
    """
    parts = urlsplit(address)
    if parts.scheme != "s3" or not parts.netloc:
        raise UserError(f"{address} is not an address of S3: it begins with s3:// and the name of a bucket.")
    return parts.netloc, parts.path.strip("/")
