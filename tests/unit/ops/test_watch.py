from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from ops import watch
from ops.pipeline import Step

START = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)


class FakeTarget:
    """A cloud whose Step Functions answers from a script, one look after the other."""

    poll_seconds = 0.0

    def __init__(self, states: Any) -> None:
        self._states = states

    def client(self, _: str) -> Any:
        return self._states


@pytest.fixture
def target(states: Any) -> Any:
    return FakeTarget(states)


def looks(events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """What a watcher sees that looks after every event."""
    return [events[: end + 1] for end in range(len(events))]


def plain(width: int = 60) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=False, highlight=False)


def lines_of(console: Console) -> list[str]:
    return [line.strip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_without_a_terminal_each_change_is_one_line(target: Any, states: Any, events: Any) -> None:
    events.state("SetInputAside", 0, "Pass").state("InitRun", 0.4).state("MetricCheck", 0, "Choice").end()
    states.looks = looks(events.list)
    console = plain()

    history = watch.watch(target, "arn", console)

    assert history.status == "SUCCEEDED"
    assert [" ".join(line.split()) for line in lines_of(console)] == [
        "0.0 s SetInputAside done in 0.0 s",
        "0.0 s InitRun started",
        "0.4 s InitRun done in 0.4 s",
        "0.4 s MetricCheck done in 0.0 s",
    ]


def test_a_long_polling_loop_is_told_once(target: Any, states: Any, events: Any) -> None:
    for _ in range(5):
        events.state("WaitForTraining", 30, "Wait").state("DescribeTraining", 1)
    events.state("EvalMetrics").end()
    states.looks = looks(events.list)
    console = plain()

    watch.watch(target, "arn", console)

    assert [" ".join(line.split()[-3:]) for line in lines_of(console)] == [
        "s WaitForTraining started",
        "s DescribeTraining started",
        "s EvalMetrics started",
        "in 1.0 s",
    ]


def test_a_failed_state_says_why_in_words(target: Any, states: Any, events: Any) -> None:
    cause = '{"JobRunState": "FAILED", "Id": "jr", "ErrorMessage": "MissingColumn: there is no Age"}'
    events.enter("PrepareData").after(2).fail("States.TaskFailed", cause).exit("PrepareData")
    events.state("RecordFailure").end("Failed", error="MissingColumn", cause="there is no Age")
    states.looks = looks(events.list)
    console = plain()

    watch.watch(target, "arn", console)

    assert "failed after 2.0 s: MissingColumn: there is no Age" in console.file.getvalue()  # type: ignore[attr-defined]


def test_pipeline_steps_are_told_while_they_run(
    target: Any, states: Any, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"run": {"run_id": "r"}, "training": {"pipeline_execution_arn": "arn:p"}}
    events.state("StartTraining", 1, data=data).enter("WaitForTraining", "Wait", data).end()
    states.looks = looks(events.list)
    answers = iter(
        [
            [Step("TrainModel", "Executing", START)],
            [Step("TrainModel", "Failed", START, START + timedelta(seconds=3), "NoValidRows: nothing left")],
        ]
    )
    last: list[list[Step]] = []

    def list_steps(*_: Any) -> list[Step]:
        last[:] = [next(answers, last[0] if last else [])]
        return last[0]

    monkeypatch.setattr(watch, "list_steps", list_steps)
    console = plain()

    watch.watch(target, "arn", console)

    told = [" ".join(line.split()) for line in lines_of(console) if "TrainModel" in line]
    assert told == [
        "0.0 s TrainModel Executing",
        "3.0 s TrainModel Failed in 3.0 s: NoValidRows: nothing left",
    ]


def test_steps_are_not_asked_for_once_the_pipeline_has_ended(
    target: Any, states: Any, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"run": {}, "training": {"pipeline_execution_arn": "arn:p", "status": "Succeeded"}}
    events.state("DescribeTraining", data=data).state("EvalMetrics", data=data).state(
        "RegisterModel", data=data
    )
    states.looks = looks(events.end().list)
    asked: list[str] = []
    monkeypatch.setattr(watch, "list_steps", lambda _, arn: asked.append(arn) or [])

    watch.watch(target, "arn", plain())

    assert asked == ["arn:p"]


def test_a_terminal_sees_the_table_with_the_last_state(target: Any, states: Any, events: Any) -> None:
    events.state("InitRun", 0.4).state("ModelRegistered", 0, "Succeed").end()
    states.looks = looks(events.list)
    console = Console(file=io.StringIO(), width=80, force_terminal=True)

    watch.watch(target, "arn", console)

    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "InitRun" in shown
    assert "ModelRegistered" in shown


def test_ctrl_c_leaves_the_terminal_in_order(target: Any, states: Any, events: Any) -> None:
    class Interrupted(FakeTarget):
        def client(self, _: str) -> Any:
            raise KeyboardInterrupt

    console = Console(file=io.StringIO(), width=80, force_terminal=True)

    with pytest.raises(KeyboardInterrupt):
        watch.watch(Interrupted(states), "arn", console)  # type: ignore[arg-type]

    assert console.file.getvalue().rstrip().endswith("\x1b[?25h")  # type: ignore[attr-defined]  # cursor is back
