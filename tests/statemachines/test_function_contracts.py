"""What the machines and the functions expect of each other.

A machine is tested with mocked functions and the functions without the machine; here the mocks are held
against the functions' own models, so that the two halves fit where they meet.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from functions.check_predictions.checking import CheckPredictionsEvent
from functions.common.batch_run import ApprovedModel, BatchRun, Model, Predictions, Publication
from functions.common.training_run import Evaluation, Registration, TrainingRun
from functions.create_model.creation import CreateModelEvent
from functions.eval_metrics.gate import EvalMetricsEvent
from functions.get_approved_model.selection import GetApprovedModelEvent
from functions.init_run.start_run import InitRunEvent
from functions.publish_predictions.publishing import PublishPredictionsEvent
from functions.record_run.recording import RecordRunEvent
from functions.record_stopped_run.stopped_run import StatusChangeEvent
from functions.register_model.registration import RegisterModelEvent
from functions.reject_model.rejection import RejectModelEvent

pytestmark = pytest.mark.xdist_group("statemachines")  # shares the engine's one run of all cases

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent.parent

EVENTS: dict[str, Any] = {
    "init_run": InitRunEvent,
    "eval_metrics": EvalMetricsEvent,
    "register_model": RegisterModelEvent,
    "reject_model": RejectModelEvent,
    "get_approved_model": GetApprovedModelEvent,
    "create_model": CreateModelEvent,
    "check_predictions": CheckPredictionsEvent,
    "publish_predictions": PublishPredictionsEvent,
    "record_run": RecordRunEvent,
}
ANSWERS: dict[str, Any] = {
    "eval_metrics": Evaluation,
    "register_model": Registration,
    "reject_model": Registration,
    "get_approved_model": ApprovedModel,
    "create_model": Model,
    "check_predictions": Predictions,
    "publish_predictions": Publication,
}
RUNS: dict[str, Any] = {"training": TrainingRun, "batch_inference": BatchRun}  # what init_run answers
WITHOUT_VERDICT = "ModelHasNoVerdict"  # what EvalMetrics never answers, to see that MetricCheck is careful


@pytest.fixture(scope="module")
def functions() -> Json:
    loaded: Json = json.loads((ROOT / "functions" / "functions.json").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def function_of(tasks: dict[str, Json]) -> dict[str, str]:
    """State -> the function it calls, by its name in functions.json."""
    return {name: function_name(task) for name, task in tasks.items() if "lambda" in task["Resource"]}


def test_functions_accept_what_the_machine_sends(
    outcomes: dict[str, Any], function_of: dict[str, str]
) -> None:
    sent = [
        (visit.state, parameters["Payload"])
        for case, outcome in outcomes.items()
        if case != WITHOUT_VERDICT
        for visit in outcome.visits
        if visit.state in function_of
        for parameters in visit.calls
    ]

    assert {state for state, _ in sent} == function_of.keys()
    for state, payload in sent:
        EVENTS[function_of[state]].model_validate(payload)


def test_mocks_answer_as_the_functions_do(
    mock_config: Json, function_of: dict[str, str], machine_name: str
) -> None:
    models = ANSWERS | {"init_run": RUNS[machine_name]}
    cases = mock_config["StateMachines"][machine_name]["TestCases"]
    responses = {
        (function_of[state], response)
        for case, states in cases.items()
        if case != WITHOUT_VERDICT
        for state, response in states.items()
        if function_of.get(state) in models
    }

    for function, response in responses:
        for answer in mock_config["MockedResponses"][response].values():
            if "Return" in answer:
                models[function].model_validate(answer["Return"]["Payload"])


def test_the_machine_hands_on_everything_that_a_function_answers(
    tasks: dict[str, Json], function_of: dict[str, str]
) -> None:
    for state, function in function_of.items():
        if function in ANSWERS:
            assert set(tasks[state]["ResultSelector"]) == {
                f"{key}.$" for key in ANSWERS[function].model_fields
            }


def test_every_function_of_the_machine_is_deployed(function_of: dict[str, str], functions: Json) -> None:
    assert set(function_of.values()) <= functions["functions"].keys()


def test_functions_and_the_job_time_out_before_their_tasks_do(
    tasks: dict[str, Json], function_of: dict[str, str], functions: Json
) -> None:
    # Their own message says more than States.Timeout.
    job = json.loads((ROOT / "glue_jobs" / "prepare.json").read_text(encoding="utf-8"))

    assert job["timeout_minutes"] * 60 < tasks["PrepareData"]["TimeoutSeconds"]
    for state, name in function_of.items():
        function = functions["defaults"] | functions["functions"][name]
        assert function["timeout"] < tasks[state]["TimeoutSeconds"], state


@pytest.mark.parametrize("machine_name", ["training"], indirect=True)
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
