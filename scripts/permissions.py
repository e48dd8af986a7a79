"""Which statements of the project's roles were used by what a local cloud's IAM judged, and which by nothing.

A cloud that enforces IAM keeps every judged call (`localcloud/judgements.py`). Here they are held against the
policies that the roles have on that cloud and against the project's files, where a statement that no run on
a local cloud can use has its reason under "unproven". Both directions count: a statement that nothing uses
needs a reason, and a reason for one that is used is a lie.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, takewhile
from pathlib import Path
from typing import Any

from localcloud.judgements import Judgement
from ops.names import ROOT, Names

Statement = tuple[str, str]
"""(name of the role, Sid)"""

REFUSED = "refused"
"""Name of the session in which a test does what a role must not: what is denied to it was asked for."""


@dataclass(frozen=True)
class Usage:
    """What the roles have, what was asked of them, and what the files say of the rest."""

    actions: Mapping[Statement, frozenset[str]]
    """Every statement of every role, and its actions."""
    judged: tuple[Judgement, ...]
    reasons: Mapping[Statement, str]
    used: Mapping[Statement, frozenset[str]] = field(init=False)

    def __post_init__(self) -> None:
        used: dict[Statement, set[str]] = {}
        for call in self.judged:
            if call.statement:
                used.setdefault((call.role, call.statement), set()).add(call.action)
        object.__setattr__(self, "used", {key: frozenset(actions) for key, actions in used.items()})

    @property
    def denied(self) -> list[Judgement]:
        """Calls that were refused although the work needed them."""
        return [call for call in self.judged if not call.allowed and call.session != REFUSED]

    @property
    def unused(self) -> set[Statement]:
        return set(self.actions) - set(self.used)

    @property
    def unexplained(self) -> list[Statement]:
        """Statements that nothing used, without a reason."""
        return sorted(self.unused - set(self.reasons))

    @property
    def untrue(self) -> list[Statement]:
        """Reasons for statements that are used, or that no role has."""
        return sorted(set(self.reasons) - self.unused)

    @property
    def roles(self) -> list[str]:
        return sorted({role for role, _sid in self.actions})

    @property
    def shared(self) -> str:
        """How the names of all roles begin, which need not be told for each: `titanic-sagemaker-dev-`."""
        pairs = zip(self.roles[0], self.roles[-1], strict=False)  # sorted: what these share, all do
        alike = "".join(letter for letter, _same in takewhile(lambda pair: pair[0] == pair[1], pairs))
        return alike[: alike.rfind("-") + 1]

    def table(self) -> Iterator[str]:
        """A line for each role: calls, those denied, and how much of what it may do was needed."""
        calls, denied = Counter(call.role for call in self.judged), Counter(call.role for call in self.denied)
        yield f"  {self.shared + '…':32}{'calls':>7}{'denied':>8}{'statements':>12}{'actions':>10}"
        for role in self.roles:
            have = {key: actions for key, actions in self.actions.items() if key[0] == role}
            used = [key for key in have if key in self.used]
            statements = f"{len(used)}/{len(have)}"
            actions = f"{sum(len(self.used[key]) for key in used)}/{sum(map(len, have.values()))}"
            name = role.removeprefix(self.shared)
            yield f"  {name:32}{calls[role]:7}{denied[role]:8}{statements:>12}{actions:>10}"

    def unused_lines(self) -> Iterator[str]:
        """A line for each reason: which statements it explains, in how many roles."""
        for reason, statements in sorted(_by_reason(self.reasons).items()):
            sids = ", ".join(sorted({sid for _role, sid in statements}))
            roles = {role.removeprefix(self.shared) for role, _sid in statements}
            whose = next(iter(roles)) if len(roles) == 1 else f"{len(roles)} roles"
            yield f"  {sids} ({whose}): {reason}"


def _by_reason(reasons: Mapping[Statement, str]) -> dict[str, list[Statement]]:
    found: dict[str, list[Statement]] = {}
    for statement, reason in reasons.items():
        found.setdefault(reason, []).append(statement)
    return found


def statements_of(iam: Any) -> dict[Statement, frozenset[str]]:
    """Every statement of every role of the account, and its actions."""
    return {
        (role, statement["Sid"]): frozenset(statement["Action"])
        for role, document in _policies(iam)
        for statement in document["Statement"]
    }


def _policies(iam: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for page in iam.get_paginator("list_roles").paginate():
        for role in (found["RoleName"] for found in page["Roles"]):
            for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
                yield role, iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
                yield role, _default_version(iam, policy["PolicyArn"])


def _default_version(iam: Any, arn: str) -> Mapping[str, Any]:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document: Mapping[str, Any] = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"][
        "Document"
    ]
    return document


def unproven(names: Names, root: Path = ROOT) -> dict[Statement, str]:
    """The reasons the files give, by role and Sid."""
    return {
        (names.role(role), sid): reason
        for role, reasons in chain(_roles(root), _functions(root))
        for sid, reason in reasons.items()
    }


Reasons = tuple[str, Mapping[str, str]]


def _roles(root: Path) -> Iterator[Reasons]:
    for path in sorted((root / "iam").glob("*.json")):
        yield path.stem, _read(path).get("unproven", {})
    of_ci = {path.stem: _read(path).get("unproven", {}) for path in (root / "iam/ci").glob("*.json")}
    looking = of_ci.get("plan", {})
    yield "ci_plan", looking
    yield "ci_deploy", {**looking, **of_ci.get("deploy", {})}  # who deploys may also do what who plans may


def _functions(root: Path) -> Iterator[Reasons]:
    described = _read(root / "functions/functions.json")
    common = described["defaults"].get("unproven", {})
    for name, function in described["functions"].items():
        yield name, common | function.get("unproven", {})


def _read(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded
