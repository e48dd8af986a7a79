"""Settings of the local cloud's server process, read once from its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from localcloud.forkserver import client as forkserver

ACCOUNT_ID = "123456789012"
REGION = "eu-west-1"
DEFAULT_PORT = 4566
# A 30 s poll of a state machine becomes 30 ms: what it waits for takes a second here, not ten minutes.
DEFAULT_WAIT_SCALE = 0.001
FORKED, PLAIN = "forked", "plain"


@dataclass(frozen=True)
class Settings:
    """What the server was started with.

    `home` holds state, logs and the folders of running jobs; `listener` is the descriptor of the socket that
    listens on `port`, inherited from whoever started the server. `processes` says how jobs are born: "forked"
    with their libraries loaded, or "plain".
    """

    home: Path
    port: int
    listener: int = -1
    enforce_iam: bool = False
    wait_scale: float = DEFAULT_WAIT_SCALE
    processes: str = PLAIN
    account_id: str = ACCOUNT_ID
    region: str = REGION

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def to_environment(self) -> dict[str, str]:
        """The variables from which `from_environment` reads the same settings back."""
        return {
            "LOCALCLOUD_HOME": str(self.home),
            "LOCALCLOUD_PORT": str(self.port),
            "LOCALCLOUD_LISTENER": str(self.listener),
            "LOCALCLOUD_PROCESSES": self.processes,
            "LOCALCLOUD_ENFORCE_IAM": "1" if self.enforce_iam else "0",
            "LOCALCLOUD_WAIT_SCALE": str(self.wait_scale),
        }

    @classmethod
    def from_environment(cls) -> Settings:
        return cls(
            home=Path(os.environ["LOCALCLOUD_HOME"]),
            port=int(os.environ["LOCALCLOUD_PORT"]),
            listener=int(os.environ["LOCALCLOUD_LISTENER"]),
            enforce_iam=os.environ.get("LOCALCLOUD_ENFORCE_IAM") == "1",
            wait_scale=float(os.environ.get("LOCALCLOUD_WAIT_SCALE", DEFAULT_WAIT_SCALE)),
            processes=processes_of(os.environ),
        )


def processes_of(environment: Mapping[str, str]) -> str:
    """How jobs are born: what LOCALCLOUD_PROCESSES says, else the fastest way this platform has.

    Raises `ValueError` for a way that there is not.
    """
    fastest = FORKED if forkserver.supported() else PLAIN
    asked = environment.get("LOCALCLOUD_PROCESSES") or fastest
    if asked not in (FORKED, PLAIN):
        raise ValueError(f"LOCALCLOUD_PROCESSES is {asked!r}: it may be {FORKED} or {PLAIN}")
    return asked if asked == PLAIN else fastest


@cache
def settings() -> Settings:
    """The settings of this server process."""
    return Settings.from_environment()
