"""Credentials of roles: what a job finds in its environment, and clients that act under a role.

Services assume a job's role for it on AWS; here the session is registered with STS directly, so IAM
enforcement judges the job by its role and nobody needs to hold a secret.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from localcloud.settings import settings

# A local call that fails will fail again; a slow one means a job is at work on the same cores.
_CONFIG = Config(
    retries={"total_max_attempts": 2, "mode": "standard"},
    connect_timeout=5,
    read_timeout=120,
    s3={"addressing_style": "path"},
)


def role_environment(role_arn: str, session_name: str) -> dict[str, str]:
    """The AWS variables of a job that runs as `role_arn`."""
    here = settings()
    return {
        **_session_keys(role_arn, session_name),
        "AWS_REGION": here.region,
        "AWS_DEFAULT_REGION": here.region,
        "AWS_ENDPOINT_URL": here.endpoint_url,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def client(service: str, role_arn: str, session_name: str) -> Any:
    """A boto3 client whose calls are judged as `role_arn`'s."""
    keys = _session_keys(role_arn, session_name)
    return _client(
        service,
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=keys["AWS_SESSION_TOKEN"],
    )


def root_client(service: str) -> Any:
    """A boto3 client for what the cloud does on its own behalf."""
    return _client(service, aws_access_key_id="test", aws_secret_access_key="test")  # noqa: S106  # nosec B106


def _client(service: str, **keys: str) -> Any:
    here = settings()
    # A session of its own: one session is not thread-safe while a client is being made. What is slow about
    # making one is reading the service models, so they all read them through one loader.
    core = botocore.session.Session()
    core.register_component("data_loader", _models())
    session = boto3.session.Session(region_name=here.region, botocore_session=core, **keys)
    return session.client(service, endpoint_url=here.endpoint_url, config=_CONFIG)


@cache
def _models() -> Any:
    return botocore.session.Session().get_component("data_loader")


def _session_keys(role_arn: str, session_name: str) -> dict[str, str]:
    from ministack.services import sts

    here = settings()
    role_name, session_name = role_arn.rsplit("/", 1)[-1], session_name[:64]
    digest = hashlib.sha256(f"{role_arn}:{session_name}:{here.home}".encode()).hexdigest()
    keys = {
        "AWS_ACCESS_KEY_ID": f"ASIA{digest[:16].upper()}",
        "AWS_SECRET_ACCESS_KEY": hashlib.sha256(f"secret:{digest}".encode()).hexdigest(),
        "AWS_SESSION_TOKEN": hashlib.sha256(f"token:{digest}".encode()).hexdigest(),
    }
    sts.register_session(
        keys["AWS_ACCESS_KEY_ID"],
        {
            "Arn": f"arn:aws:sts::{here.account_id}:assumed-role/{role_name}/{session_name}",
            "UserId": f"{role_name}:{session_name}",
            "SecretAccessKey": keys["AWS_SECRET_ACCESS_KEY"],
            "SessionToken": keys["AWS_SESSION_TOKEN"],
        },
    )
    return keys
