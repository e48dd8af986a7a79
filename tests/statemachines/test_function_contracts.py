"""What the training machine and the functions expect of each other.

The machine is tested with mocked functions and the functions without the machine; here the mocks are held
against the functions' own models, so that the two halves fit where they meet.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from functions.common.training_run import Evaluation, Registration, TrainingRun
from functions.eval_metrics.gate import EvalMetricsEvent
from functions.init_run.start_run import InitRunEvent
from functions.record_run.recording import RecordRunEvent
from functions.record_stopped_run.stopped_run import StatusChangeEvent
from functions.register_model.registration import RegisterModelEvent
from functions.reject_model.rejection import RejectModelEvent

pytestmark = pytest.mark.xdist_group("statemachines")  # shares the engine's one run of all cases

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent.parent

EVENTS: dict[str, Any] = {
    "InitRun": InitRunEvent,
    "EvalMetrics": EvalMetricsEvent,
    "RegisterModel": RegisterModelEvent,
    "RejectModel": RejectModelEvent,
    "RecordRegistered": RecordRunEvent,
    "RecordRejected": RecordRunEvent,
    "RecordFailure": RecordRunEvent,
}
ANSWERS: dict[str, Any] = {
    "InitRun": TrainingRun,
    "EvalMetrics": Evaluation,
    "RegisterModel": Registration,
    "RejectModel": Registration,
}
WITHOUT_VERDICT = "ModelHasNoVerdict"  # what EvalMetrics never answers, to see that MetricCheck is careful


@pytest.fixture(scope="module")
def functions() -> Json:
    loaded: Json = json.loads((ROOT / "functions" / "functions.json").read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("state", EVENTS)
def test_function_accepts_what_the_machine_sends(outcomes: dict[str, Any], state: str) -> None:
    sent = [
        parameters["Payload"]
        for case, outcome in outcomes.items()
        if case != WITHOUT_VERDICT
        for visit in outcome.visits
        if visit.state == state
        for parameters in visit.calls
    ]

    assert sent
    for payload in sent:
        EVENTS[state].model_validate(payload)


@pytest.mark.parametrize("state", ANSWERS)
def test_mock_answers_as_the_function_does(mock_config: Json, state: str) -> None:
    cases = mock_config["StateMachines"]["training"]["TestCases"]
    responses = {case[state] for name, case in cases.items() if state in case and name != WITHOUT_VERDICT}
    answers = [
        answer["Return"]["Payload"]
        for response in responses
        for answer in mock_config["MockedResponses"][response].values()
        if "Return" in answer
    ]

    assert answers
    for payload in answers:
        ANSWERS[state].model_validate(payload)


def test_every_function_of_the_machine_is_deployed(definition: Json, functions: Json) -> None:
    called = {
        function_name(task) for task in definition["States"].values() if "lambda" in task.get("Resource", "")
    }

    assert called <= functions["functions"].keys()


def test_functions_and_the_job_time_out_before_their_tasks_do(definition: Json, functions: Json) -> None:
    # Their own message says more than States.Timeout.
    job = json.loads((ROOT / "glue_jobs" / "prepare.json").read_text(encoding="utf-8"))

    assert job["timeout_minutes"] * 60 < definition["States"]["PrepareData"]["TimeoutSeconds"]
    for task in definition["States"].values():
        if "lambda" in task.get("Resource", ""):
            function = functions["defaults"] | functions["functions"][function_name(task)]
            assert function["timeout"] < task["TimeoutSeconds"], task


def test_the_training_deadline_comes_before_the_machines_own(definition: Json, functions: Json) -> None:
    deadline = int(functions["functions"]["init_run"]["environment"]["TRAINING_DEADLINE_SECONDS"])

    assert deadline + 10 * 60 <= definition["TimeoutSeconds"], "time left to stop, record and tell"


def test_the_recorder_of_stopped_runs_accepts_the_sample_event() -> None:
    sample = ROOT / "events" / "samples" / "step_functions_execution_aborted.json"

    event = StatusChangeEvent.model_validate_json(sample.read_text(encoding="utf-8"))

    assert event.detail.status == "ABORTED"


def function_name(task: Json) -> str:
    """`arn:…:function:InitRun` -> `init_run`, its name in functions.json."""
    name = task["Parameters"]["FunctionName"].rsplit(":", 1)[1]
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
