"""What the runs of this group asked of IAM: nothing was denied, and no role may do what no run needed.

Named so that it comes after all that runs something.
"""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.judgements import read_judgements
from scripts import permissions

pytestmark = pytest.mark.xdist_group("terraform")


@pytest.fixture(scope="module")
def usage(applied: Any) -> permissions.Usage:
    return permissions.Usage(
        actions=permissions.statements_of(applied.aws("iam")),
        judged=tuple(read_judgements(applied.home)),
        reasons=permissions.unproven(applied.names),
    )


def test_what_was_asked_is_shown(usage: permissions.Usage, record_property: Any) -> None:
    assert usage.judged
    unused = [f"Permissions that no run used: {len(usage.unused)} statements", *usage.unused_lines()]
    lines = [f"Permissions: {len(usage.judged)} calls, {len(usage.denied)} denied", *usage.table(), *unused]
    record_property("terminal_summary", "\n".join(lines))


def test_no_call_was_denied(usage: permissions.Usage) -> None:
    assert [f"{call.role}: {call.action} on {call.resource}" for call in usage.denied] == []


def test_every_statement_is_used_or_says_why_not(usage: permissions.Usage) -> None:
    assert usage.unexplained == []


def test_no_reason_stands_beside_a_statement_that_is_used(usage: permissions.Usage) -> None:
    assert usage.untrue == []
