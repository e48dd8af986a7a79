"""Every name of the project, from `project.json`: the one place Terraform and Python read them from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ONE_OF_MANY = ("endpoint", "function", "role", "rule", "schedule")
"""Keys of `project.json` whose pattern names many things: each takes the thing's own name."""


@cache
def project_file() -> dict[str, Any]:
    """`project.json` as it stands."""
    loaded: dict[str, Any] = json.loads((ROOT / "project.json").read_text(encoding="utf-8"))
    return loaded


@dataclass(frozen=True)
class Names:
    """Names of one environment in one account. `names["data_bucket"]` is the rendered pattern."""

    env: str
    account_id: str

    def __post_init__(self) -> None:
        if self.env not in project_file()["environments"]:
            raise ValueError(f"unknown environment {self.env!r}: project.json has {self.environments}")

    @property
    def environments(self) -> str:
        return ", ".join(project_file()["environments"])

    @property
    def project(self) -> str:
        return str(project_file()["project"])

    @property
    def region(self) -> str:
        return str(project_file()["region"])

    def __getitem__(self, key: str) -> str:
        return self._render(project_file()["names"][key])

    def function(self, name: str) -> str:
        """Deployed name of the Lambda in `functions/<name>/`."""
        return self._one_of("function", name)

    def role(self, name: str) -> str:
        """Deployed name of the role described in `iam/<name>.json` or of the function `name`."""
        return self._one_of("role", name)

    def endpoint(self, name: str) -> str:
        """Deployed name of an endpoint; of an empty `name` the beginning of them all."""
        return self._one_of("endpoint", name)

    def rule(self, name: str) -> str:
        """Deployed name of the EventBridge rule `name` of `events/rules.json`."""
        return self._one_of("rule", name)

    def schedule(self, name: str) -> str:
        """Deployed name of the schedule `name` of `events/schedules.json`."""
        return self._one_of("schedule", name)

    def all(self) -> dict[str, str]:
        """Every name that belongs to one thing, by its key in `project.json`."""
        return {key: self[key] for key in project_file()["names"] if key not in ONE_OF_MANY}

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"

    def role_arn(self, name: str) -> str:
        return f"arn:aws:iam::{self.account_id}:role/{self.role(name)}"

    def tags(self) -> dict[str, str]:
        """The tags every resource bears."""
        return {key: self._render(value) for key, value in project_file()["tags"].items()}

    def _one_of(self, kind: str, name: str) -> str:
        return self._render(project_file()["names"][kind], **{kind: name.replace("_", "-")})

    def _render(self, pattern: str, **more: str) -> str:
        known = {"project": self.project, "env": self.env, "account_id": self.account_id}
        return Template(pattern).substitute(known | more)
