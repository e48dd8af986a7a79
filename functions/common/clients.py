"""AWS clients, one per service and process. Only handlers call this; logic receives clients.

They are botocore's, as boto3's are: boto3 itself would be a tenth of a cold start, for resources that no
function uses.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

from botocore import session
from botocore.config import Config

Client: TypeAlias = Any  # botocore builds its clients at run time and has no types of its own

# A call that hangs must fail and be retried within the function's own timeout.
_CONFIG = Config(connect_timeout=3, read_timeout=10)


@cache
def client(service: str) -> Client:
    """The client of `service`. Endpoint, region, credentials and retries come from the environment."""
    return _session().create_client(service, config=_CONFIG)


@cache
def _session() -> session.Session:
    """One for all clients: they share what it reads from disk."""
    return session.get_session()
