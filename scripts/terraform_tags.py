"""Refuses a Terraform plan with resources that lack the five mandatory tags.

`scripts.terraform_stages` asks before every apply; in a pipeline: `terraform show -json plan.bin | python -m
scripts.terraform_tags`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

MANDATORY = ("cost_center", "env", "managed_by", "owner", "project")


def untagged(plan: Mapping[str, Any]) -> list[str]:
    """Addresses of the plan's resources that can bear tags and lack one, each with what it lacks.

    `plan` is Terraform's JSON form of a plan. What the plan deletes does not count.
    """
    changes = [change for change in plan.get("resource_changes", []) if change["mode"] == "managed"]
    found = [(change["address"], missing_tags(change["change"]["after"])) for change in changes]
    return [f"{address} ({', '.join(missing)})" for address, missing in found if missing]


def missing_tags(planned: Mapping[str, Any] | None) -> list[str]:
    """The mandatory tags that a resource would not bear; none for what cannot be tagged."""
    if planned is None or "tags_all" not in planned:
        return []
    tags = planned["tags_all"] or {}
    return [tag for tag in MANDATORY if not str(tags.get(tag) or "").strip()]


def main() -> None:
    """Reads a plan from standard input; exits 1 and names what lacks tags."""
    if without := untagged(json.load(sys.stdin)):
        sys.exit("Resources without mandatory tags: " + ", ".join(without))


if __name__ == "__main__":
    main()
