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

from functions.check_package.checking import CheckPackageEvent
from functions.check_predictions.checking import CheckPredictionsEvent
from functions.clean_up_endpoint.clean_up import CleanUpEndpointEvent
from functions.common.batch_run import ApprovedModel, BatchRun, Model, Predictions, Publication
from functions.common.promotion_run import (
    CandidatePackage,
    CleanUp,
    Deployment,
    Gate,
    PromotionRun,
    Rollback,
    SmokeTest,
    Verification,
)
from functions.common.training_run import Evaluation, Registration, TrainingRun
from functions.create_model.creation import CreateModelEvent
from functions.deploy_endpoint import deployment
from functions.deploy_endpoint.deployment import DeployEndpointEvent
from functions.eval_metrics.gate import EvalMetricsEvent
from functions.get_approved_model.selection import GetApprovedModelEvent
from functions.init_run.promotion import PromotionInput
from functions.init_run.start_run import InitRunEvent
from functions.publish_predictions.publishing import PublishPredictionsEvent
from functions.record_run.recording import RecordRunEvent
from functions.record_stopped_run.stopped_run import StatusChangeEvent
from functions.register_model.registration import RegisterModelEvent
from functions.reject_model.rejection import RejectModelEvent
from functions.request_approval.request import RequestApprovalEvent
from functions.roll_back_endpoint import rollback
from functions.roll_back_endpoint.rollback import RollBackEndpointEvent
from functions.smoke_test.handler import SmokeTestEvent
from functions.verify_endpoint.verification import VerifyEndpointEvent

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
    "check_package": CheckPackageEvent,
    "deploy_endpoint": DeployEndpointEvent,
    "smoke_test": SmokeTestEvent,
    "request_approval": RequestApprovalEvent,
    "verify_endpoint": VerifyEndpointEvent,
    "roll_back_endpoint": RollBackEndpointEvent,
    "clean_up_endpoint": CleanUpEndpointEvent,
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
    "check_package": CandidatePackage,
    "deploy_endpoint": Deployment,
    "smoke_test": SmokeTest,
    "verify_endpoint": Verification,
    "roll_back_endpoint": Rollback,
    "clean_up_endpoint": CleanUp,
}
# What init_run answers.
RUNS: dict[str, Any] = {"training": TrainingRun, "batch_inference": BatchRun, "promotion": PromotionRun}
# What EvalMetrics and SmokeTest never answer, to see that MetricCheck and SmokePassed? are careful.
WITHOUT_VERDICT = {"ModelHasNoVerdict", "SmokeTestHasNoVerdict"}


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
        if case not in WITHOUT_VERDICT
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
        if case not in WITHOUT_VERDICT
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

    if "PrepareData" in tasks:
        assert job["timeout_minutes"] * 60 < tasks["PrepareData"]["TimeoutSeconds"]
    for state, name in function_of.items():
        function = functions["defaults"] | functions["functions"][name]
        assert function["timeout"] < tasks[state]["TimeoutSeconds"], state


@pytest.mark.parametrize("machine_name", ["training"], indirect=True)
def test_the_training_deadline_comes_before_the_machines_own(definition: Json, functions: Json) -> None:
    deadline = int(functions["functions"]["init_run"]["environment"]["TRAINING_DEADLINE_SECONDS"])

    assert deadline + 10 * 60 <= definition["TimeoutSeconds"], "time left to stop, record and tell"


@pytest.mark.parametrize("machine_name", ["promotion"], indirect=True)
def test_a_promotions_waits_and_deadlines_fit_into_the_machines_time(
    definition: Json, tasks: dict[str, Json]
) -> None:
    longest_baking = PromotionInput.model_fields["bake_seconds"].metadata[1].le
    prod = deployment.UPDATE_SECONDS + 2 * longest_baking + deployment.ROLLBACK_SECONDS
    gate = tasks["RequestApproval"]["TimeoutSeconds"]

    waits = deployment.STAGING_SECONDS + gate + prod + rollback.PATIENCE_SECONDS
    assert waits + 30 * 60 <= definition["TimeoutSeconds"], "time left to test, verify, clean up and tell"


@pytest.mark.parametrize("machine_name", ["promotion"], indirect=True)
def test_people_are_told_when_the_gate_really_closes(tasks: dict[str, Json], functions: Json) -> None:
    told = functions["functions"]["request_approval"]["environment"]["GATE_SECONDS"]

    assert int(told) == tasks["RequestApproval"]["TimeoutSeconds"]


def test_the_gate_is_answered_as_the_command_answers_it(mock_config: Json) -> None:
    for response in ("GateApproved", "GateDeclined"):
        Gate.model_validate(mock_config["MockedResponses"][response]["0"]["Return"])


def test_the_recorder_of_stopped_runs_accepts_the_sample_event() -> None:
    sample = ROOT / "events" / "samples" / "step_functions_execution_aborted.json"

    event = StatusChangeEvent.model_validate_json(sample.read_text(encoding="utf-8"))

    assert event.detail.status == "ABORTED"


def function_name(task: Json) -> str:
    """`arn:…:function:InitRun` -> `init_run`, its name in functions.json."""
    name = task["Parameters"]["FunctionName"].rsplit(":", 1)[1]
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
