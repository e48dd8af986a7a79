"""boto3 clients, one per service and process. Only handlers call this; logic receives clients."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import boto3
from botocore.config import Config

Client: TypeAlias = Any  # boto3 builds its clients at run time and has no types of its own

# A call that hangs must fail and be retried within the function's own timeout.
_CONFIG = Config(connect_timeout=3, read_timeout=10)


@cache
def client(service: str) -> Client:
    """The client of `service`. Endpoint, region, credentials and retries come from the environment."""
    return boto3.client(service, config=_CONFIG)
