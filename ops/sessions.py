"""boto3 sessions that remember their endpoint. Imported only when a command needs a cloud: boto3 is slow."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from ops.names import project_file

# An endpoint of our own is near or dead: no patience for connecting, much for a busy laptop's answer.
_ENDPOINT = Config(
    connect_timeout=2,
    read_timeout=120,
    retries={"total_max_attempts": 2, "mode": "standard"},
    max_pool_connections=16,
    s3={"addressing_style": "path"},
)
_AWS = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"total_max_attempts": 6, "mode": "standard"},
    max_pool_connections=16,
)
# `--profile` outranks an AWS_ENDPOINT_URL that is left in the environment.
_AWS_ONLY = _AWS.merge(Config(ignore_configured_endpoint_urls=True))


class TargetSession(boto3.Session):  # type: ignore[misc]
    """A session whose clients all have one endpoint and one configuration, so callers need not pass them."""

    def __init__(self, endpoint_url: str | None, config: Config, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.endpoint_url = endpoint_url
        self.config = config

    def client(self, service_name: str, *positional: Any, **named: Any) -> Any:
        named["endpoint_url"] = named.get("endpoint_url") or self.endpoint_url
        named.setdefault("config", self.config)
        return super().client(service_name, *positional, **named)


def open_session(endpoint_url: str | None, profile: str | None, credentials: dict[str, str]) -> TargetSession:
    """Nothing is contacted. A `profile` may itself name an endpoint in `~/.aws/config`; it then counts."""
    keys = {"region_name": project_file()["region"], **credentials}
    if endpoint_url:
        return TargetSession(endpoint_url, _ENDPOINT, **keys)
    if profile:
        session = TargetSession(None, _AWS_ONLY, profile_name=profile, **keys)
        session.endpoint_url = _endpoint_of_profile(session)
        return session
    return TargetSession(None, _AWS, **keys)


def _endpoint_of_profile(session: TargetSession) -> str | None:
    named = session._session.get_scoped_config().get("endpoint_url")
    return str(named) if named else None
