"""The table of what roles may do and did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localcloud.judgements import Judgement
from ops.names import ROOT, Names
from scripts import permissions
from scripts.permissions import Statement, Usage

ACTIONS: dict[Statement, frozenset[str]] = {
    ("reader", "Read"): frozenset({"s3:GetObject", "s3:ListBucket"}),
    ("reader", "Trace"): frozenset({"xray:PutTraceSegments"}),
    ("writer", "Write"): frozenset({"s3:PutObject"}),
}


def call(
    role: str, action: str, statement: str = "", *, allowed: bool = True, session: str = "s"
) -> Judgement:
    principal = f"arn:aws:sts::123456789012:assumed-role/{role}/{session}"
    return Judgement(principal, action, "*", statement, allowed)


READ, WRITE = call("reader", "s3:GetObject", "Read"), call("writer", "s3:PutObject", "Write")
TRACE = {("reader", "Trace"): "nothing collects traces here"}


def test_a_statement_that_nothing_used_needs_a_reason() -> None:
    assert Usage(ACTIONS, (READ, WRITE), {}).unexplained == [("reader", "Trace")]
    assert Usage(ACTIONS, (READ, WRITE), TRACE).unexplained == []


def test_a_reason_for_what_is_used_or_not_there_is_untrue() -> None:
    reasons = {**TRACE, ("writer", "Write"): "never written", ("writer", "Gone"): "was here once"}
    assert Usage(ACTIONS, (READ, WRITE), reasons).untrue == [("writer", "Gone"), ("writer", "Write")]


def test_a_denied_call_that_no_statement_decided_uses_none() -> None:
    usage = Usage(ACTIONS, (READ, call("writer", "s3:DeleteObject", allowed=False)), TRACE)
    assert usage.unexplained == [("writer", "Write")]
    assert [denied.action for denied in usage.denied] == ["s3:DeleteObject"]


def test_a_denial_is_used_by_what_it_denies() -> None:
    denial = {("reader", "NeverWrite"): frozenset({"s3:PutObject"})}
    refused = call("reader", "s3:PutObject", "NeverWrite", allowed=False)
    assert Usage(denial, (refused,), {}).unexplained == []


def test_a_refusal_that_a_test_asked_for_is_no_denied_call() -> None:
    wanted = call("reader", "s3:PutObject", allowed=False, session=permissions.REFUSED)
    assert Usage(ACTIONS, (READ, WRITE, wanted), TRACE).denied == []


def test_each_role_has_its_line() -> None:
    _heading, reader, writer = Usage(ACTIONS, (READ, READ, WRITE), TRACE).table()
    assert reader.split() == ["reader", "2", "0", "1/2", "1/3"]
    assert writer.split() == ["writer", "1", "0", "1/1", "1/1"]


def test_how_all_names_begin_is_told_once() -> None:
    actions = {("dev-reader", "Trace"): frozenset({"a:B"}), ("dev-writer", "Trace"): frozenset({"a:B"})}
    heading, reader, _writer = Usage(actions, (), {}).table()
    assert heading.split()[0] == "dev-…"
    assert reader.split()[0] == "reader"


def test_a_reason_that_many_roles_share_is_told_once() -> None:
    actions = {(role, "Trace"): frozenset({"xray:PutTraceSegments"}) for role in ("reader", "writer")}
    reasons = dict.fromkeys(actions, "nothing collects traces here")
    [line] = Usage(actions, (), reasons).unused_lines()
    assert line == "  Trace (2 roles): nothing collects traces here"


def test_reasons_are_read_from_the_files_of_roles_and_functions(tmp_path: Path) -> None:
    (tmp_path / "iam").mkdir()
    (tmp_path / "functions").mkdir()
    (tmp_path / "iam/model.json").write_text(json.dumps({"unproven": {"PullImage": "no images"}}))
    (tmp_path / "iam/scheduler.json").write_text("{}")
    functions = {"init_run": {"unproven": {"Own": "own"}}, "record_run": {}}
    described = {"defaults": {"unproven": {"Trace": "none"}}, "functions": functions}
    (tmp_path / "functions/functions.json").write_text(json.dumps(described))
    names = Names("dev", "123456789012")
    assert permissions.unproven(names, tmp_path) == {
        (names.role("model"), "PullImage"): "no images",
        (names.role("init_run"), "Trace"): "none",
        (names.role("init_run"), "Own"): "own",
        (names.role("record_run"), "Trace"): "none",
    }


@pytest.mark.parametrize("env", ["dev", "prod"])
def test_the_projects_own_reasons_can_be_read(env: str) -> None:
    assert permissions.unproven(Names(env, "123456789012"), ROOT)
