"""Which cloud a command talks to.

An operator may have a local cloud running and real AWS credentials at hand at the same time, so what
was said beats what merely lies around:

    1. `--profile NAME`          that profile's account (or the endpoint the profile itself names)
    2. `AWS_ENDPOINT_URL`        that endpoint, with the credentials at hand or `test`/`test`
    3. `AWS_PROFILE`, `AWS_ACCESS_KEY_ID`, container or web-identity credentials: AWS
    4. the local cloud that runs for this checkout

A default profile in `~/.aws` alone never wins: it needs `--profile default`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ops import local
from ops.errors import NoCloud, UsageError
from ops.names import Names, project_file

if TYPE_CHECKING:
    import boto3

LOCAL_CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}  # nosec B105 - public
_AMBIENT_CREDENTIALS = (
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_KEYS = ("AWS_PROFILE", "AWS_ACCESS_KEY_ID")


@dataclass(frozen=True)
class Choice:
    """Where to go, before anything was contacted. `endpoint_url` None means AWS itself."""

    endpoint_url: str | None
    profile: str | None = None
    credentials: Mapping[str, str] = field(default_factory=dict)


def choose(profile: str | None, environment: Mapping[str, str], running: str | None) -> Choice:
    """The cloud that follows from `--profile`, the environment and the endpoint of a running local cloud.

    Raises `NoCloud` when nothing points anywhere.
    """
    if profile:
        return Choice(endpoint_url=None, profile=profile)
    if endpoint_url := environment.get("AWS_ENDPOINT_URL"):
        given = any(environment.get(name) for name in _KEYS)
        return Choice(endpoint_url, credentials={} if given else LOCAL_CREDENTIALS)
    if any(environment.get(name) for name in _AMBIENT_CREDENTIALS):
        return Choice(endpoint_url=None)
    if running:
        return Choice(running, credentials=LOCAL_CREDENTIALS)
    raise NoCloud(
        "No cloud to talk to: no local cloud runs for this checkout, and neither AWS_ENDPOINT_URL nor AWS "
        "credentials are set. Start the local one with `titanic up --detach`, or name an AWS profile "
        "with `--profile NAME`."
    )


class Target:
    """One environment of the project in one cloud. Clients are made once per service."""

    def __init__(self, session: boto3.Session, env: str) -> None:
        self.session = session
        self.env = env
        self.region = str(project_file()["region"])
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """The boto3 client of `service`; safe to share between threads."""
        if service not in self._clients:
            self._clients[service] = self.session.client(service)
        return self._clients[service]

    @cached_property
    def identity(self) -> dict[str, str]:
        """Who we are here: `Account`, `Arn`. A command's first call, so it also finds a dead cloud."""
        answer: dict[str, str] = self.client("sts").get_caller_identity()
        return answer

    @cached_property
    def names(self) -> Names:
        return Names(self.env, self.identity["Account"])

    @property
    def endpoint_url(self) -> str:
        return str(self.client("sts").meta.endpoint_url)

    @property
    def is_aws(self) -> bool:
        return (urlsplit(self.endpoint_url).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))

    @property
    def poll_seconds(self) -> float:
        """How long a watcher waits between two looks: AWS throttles, a laptop does not."""
        return 2.0 if self.is_aws else 0.05

    @property
    def label(self) -> str:
        where = "AWS" if self.is_aws else f"local cloud {self.endpoint_url}"
        return f"{where} · account {self.names.account_id} · {self.region} · {self.env}"


def connect(env: str, profile: str | None = None) -> Target:
    """The target of this invocation. Called by every command that reads or changes a cloud."""
    if env not in project_file()["environments"]:
        known = ", ".join(project_file()["environments"])
        raise UsageError(f"There is no environment {env!r}; project.json has {known}.")
    running = None if profile or os.environ.get("AWS_ENDPOINT_URL") else local.running_endpoint()
    return open_target(choose(profile, os.environ, running), env)


def open_target(choice: Choice, env: str) -> Target:
    """A target for `choice`; nothing is contacted yet."""
    from ops.sessions import open_session

    return Target(open_session(choice.endpoint_url, choice.profile, dict(choice.credentials)), env)
