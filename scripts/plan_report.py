"""What plans of the stages would change, for the people who review it.

Names of attributes only: a comment on a pull request is no place for values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_CHARACTERS = 60_000  # a comment on GitHub takes 65,536
_SIGNS = {"create": "+", "update": "~", "delete": "-", "delete, create": "-/+", "create, delete": "+/-"}


def plan_report(plans: Mapping[str, Mapping[str, Any]], environment: str) -> str:
    """The plans by stage as Markdown: a table of counts, then each resource with what would change of it."""
    changed = {stage: changes(plan) for stage, plan in plans.items()}
    rows = [_row(stage, list(found.values())) for stage, found in changed.items()]
    details = [
        _detail(stage, found, changed_attributes(plans[stage])) for stage, found in changed.items() if found
    ]
    total = sum(len(found) for found in changed.values())
    verdict = f"{total} resources would change." if total else "Nothing would change."
    table = ["| stage | create | update | replace | delete |", "| --- | --- | --- | --- | --- |", *rows]
    return _cut("\n".join([f"### Terraform plan for {environment}", "", verdict, "", *table, *details, ""]))


def changes(plan: Mapping[str, Any]) -> dict[str, str]:
    """What an apply of the plan would do, by address: "create", "update", "delete" or "delete, create"."""
    found = {
        change["address"]: change["change"]["actions"]
        for change in plan.get("resource_changes", [])
        if change["mode"] == "managed"
    }
    return {address: ", ".join(actions) for address, actions in found.items() if actions != ["no-op"]}


def changed_attributes(plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """By address of what is there already, the attributes that an apply of the plan would change."""
    changed = {}
    for resource in plan.get("resource_changes", []):
        before, after = resource["change"].get("before") or {}, resource["change"].get("after") or {}
        if resource["mode"] == "managed" and before and after:
            names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
            changed[resource["address"]] = sorted(names)
    return changed


def _row(stage: str, actions: list[str]) -> str:
    replaced = sum(", " in action for action in actions)
    counts = [actions.count("create"), actions.count("update"), replaced, actions.count("delete")]
    return f"| {stage} | {' | '.join(str(count or '') for count in counts)} |"


def _detail(stage: str, found: Mapping[str, str], attributes: Mapping[str, list[str]]) -> str:
    lines = [
        f"{_SIGNS.get(action, action):3} {address}"
        + (f": {', '.join(attributes[address])}" if attributes.get(address) else "")
        for address, action in found.items()
    ]
    return "\n".join(
        ["", f"<details><summary>{stage}</summary>", "", "```text", *lines, "```", "", "</details>"]
    )


def _cut(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]}\n```\n\nCut here: the whole plan is in the job's log.\n"
