"""What a comment on a pull request says of plans."""

from __future__ import annotations

from typing import Any

from scripts.plan_report import MOST_CHARACTERS, changes, plan_report


def plan(**resources: tuple[list[str], Any, Any]) -> dict[str, Any]:
    return {
        "resource_changes": [
            {
                "address": address,
                "mode": "managed",
                "change": {"actions": actions, "before": before, "after": after},
            }
            for address, (actions, before, after) in resources.items()
        ]
    }


def test_a_plan_without_changes_says_so() -> None:
    report = plan_report({"00_one": plan(a=(["no-op"], {"x": 1}, {"x": 1}))}, "dev")
    assert "Terraform plan for dev" in report
    assert "Nothing would change." in report
    assert "| 00_one |  |  |  |  |" in report
    assert "<details>" not in report


def test_changes_are_counted_and_named_without_their_values() -> None:
    report = plan_report(
        {
            "01_two": plan(
                new=(["create"], None, {"secret": "hidden"}),
                old=(["update"], {"memory": "hidden", "same": 1}, {"memory": "hidden too", "same": 1}),
                other=(["delete", "create"], {"name": "a"}, {"name": "b"}),
                gone=(["delete"], {"name": "a"}, None),
            )
        },
        "prod",
    )
    assert "4 resources would change." in report
    assert "| 01_two | 1 | 1 | 1 | 1 |" in report
    assert "~   old: memory\n" in report
    assert "-/+ other: name\n" in report
    assert "+   new\n" in report
    assert "-   gone\n" in report
    assert "hidden" not in report


def test_what_is_only_read_is_no_change() -> None:
    read = {"address": "data.a", "mode": "data", "change": {"actions": ["read"], "before": None, "after": {}}}
    assert changes({"resource_changes": [read]}) == {}


def test_a_long_plan_fits_into_a_comment() -> None:
    many = {f"aws_thing.number_{index}": (["create"], None, {}) for index in range(9000)}
    report = plan_report({"00_one": plan(**many)}, "dev")
    assert MOST_CHARACTERS < len(report) < 65_536
    assert report.endswith("in the job's log.\n")
