from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from ops.history import Failure, History, in_words, new_events


def read(events: Any) -> History:
    history = History()
    history.apply(events.list)
    return history


def test_tells_each_state_with_its_seconds(events: Any) -> None:
    events.state("InitRun", 0.4).state("PrepareData", 2.0).end()

    history = read(events)

    now = events.list[-1]["timestamp"]
    assert [(row.name, row.seconds(now)) for row in history.rows] == [("InitRun", 0.4), ("PrepareData", 2.0)]
    assert history.status == "SUCCEEDED"


def test_a_state_that_is_still_running_grows_with_the_clock(events: Any) -> None:
    events.enter("PrepareData")

    [row] = read(events).rows

    assert row.running
    assert row.seconds(row.first.entered_at + timedelta(seconds=7)) == 7.0


def test_a_clock_that_lags_behind_the_cloud_gives_no_negative_time(events: Any) -> None:
    events.enter("PrepareData")

    [row] = read(events).rows

    assert row.seconds(row.first.entered_at - timedelta(seconds=3)) == 0.0


def test_folds_a_polling_loop_into_one_row(events: Any) -> None:
    events.state("StartTraining", 0.1)
    for _ in range(3):
        events.state("WaitForTraining", 30, "Wait").state("DescribeTraining", 0.5)
        events.state("TrainingFinished?", 0, "Choice")
    events.state("EvalMetrics", 1)

    rows = read(events).rows

    assert [(row.name, row.rounds) for row in rows] == [
        ("StartTraining", 1),
        ("WaitForTraining", 3),
        ("EvalMetrics", 1),
    ]
    assert rows[1].seconds(events.list[-1]["timestamp"]) == 91.5


def test_a_loop_that_is_going_on_is_running(events: Any) -> None:
    events.state("WaitForTraining", 30, "Wait").state("DescribeTraining").enter("WaitForTraining", "Wait")

    [row] = read(events).rows

    assert row.running


def test_a_try_that_succeeds_in_the_end_leaves_no_failure_but_is_counted(events: Any) -> None:
    events.enter("PrepareData").fail("Glue.ConcurrentRunsExceededException", "busy").after(1)
    events.add("TaskScheduled").exit("PrepareData")

    history = read(events)

    assert history.failed_visit() is None
    assert history.rows[0].tries == 2


def test_names_the_state_that_failed_and_not_those_that_recorded_it(events: Any) -> None:
    events.state("InitRun").enter("PrepareData").fail("States.TaskFailed", "MissingColumn: no Age")
    events.exit("PrepareData").state("RecordFailure").state("NotifyFailure")
    events.enter("RunFailed", "Fail").end("Failed", error="MissingColumn", cause="no Age")

    history = read(events)

    assert history.status == "FAILED"
    assert history.failure == Failure("MissingColumn", "no Age")
    visit = history.failed_visit()
    assert visit is not None
    assert visit.name == "PrepareData"


def test_an_aborted_execution_failed_where_it_was(events: Any) -> None:
    events.state("InitRun").enter("PrepareData").end("Aborted")

    history = read(events)

    visit = history.failed_visit()
    assert visit is not None
    assert (visit.name, history.status) == ("PrepareData", "ABORTED")


def test_ignores_events_it_has_seen(events: Any) -> None:
    events.state("InitRun")
    history = read(events)

    assert history.apply(events.list) is False
    assert len(history.visits) == 1


def test_keeps_the_data_of_the_last_state_that_had_the_run(events: Any) -> None:
    events.state("InitRun", data={"run": {"run_id": "r"}}).state("End", kind="Succeed", data={"summary": 1})

    assert read(events).data == {"run": {"run_id": "r"}}


def test_survives_data_that_is_no_object(events: Any) -> None:
    events.add("PassStateEntered", stateEnteredEventDetails={"name": "SetInputAside", "input": "[1]"})
    events.add("PassStateExited", stateExitedEventDetails={"name": "SetInputAside", "output": "not json"})

    assert read(events).data == {}


def test_says_a_glue_cause_in_words() -> None:
    cause = json.dumps(
        {"JobRunState": "FAILED", "Id": "jr", "ErrorMessage": "MissingColumn: there is no Age"}
    )

    assert in_words(Failure("States.TaskFailed", cause)) == Failure("MissingColumn", "there is no Age")


class OnePage:
    """A history API that would notice a second page being read."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.pages, self.read = pages, 0

    def get_paginator(self, _: str) -> OnePage:
        return self

    def paginate(self, **_: Any) -> Any:
        for page in self.pages:
            self.read += 1
            yield {"events": page}


def test_reads_only_the_pages_that_hold_news() -> None:
    client = OnePage([{"id": 5}, {"id": 4}], [{"id": 3}, {"id": 2}], [{"id": 1}])

    assert new_events(client, "arn", after=3) == [{"id": 4}, {"id": 5}]
    assert client.read == 2


def test_reads_everything_the_first_time() -> None:
    client = OnePage([{"id": 3}, {"id": 2}], [{"id": 1}])

    assert [event["id"] for event in new_events(client, "arn", after=0)] == [1, 2, 3]
