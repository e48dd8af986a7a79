"""What holds for every machine when it runs, on a real engine with mocked tasks."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator

pytestmark = pytest.mark.xdist_group("statemachines")  # one engine, one run of all cases

Outcomes = dict[str, Any]
States = dict[str, Any]


def test_goes_through_every_state_and_transition_and_retry(
    *,
    outcomes: Outcomes,
    states: States,
    tasks: States,
    defined_transitions: list[Any],
    engine: Any,
    machine_name: str,
    record_property: Callable[[str, object], None],
) -> None:
    visited = {visit.state for outcome in outcomes.values() for visit in outcome.visits}
    taken = {step for outcome in outcomes.values() for step in outcome.transitions(states)}
    retried = {name for outcome in outcomes.values() for name in outcome.retried()}
    record_property(
        "terminal_summary",
        f"{machine_name}.asl.json: {len(visited & states.keys())} of {len(states)} states, "
        f"{len(taken & set(defined_transitions))} of {len(defined_transitions)} transitions, "
        f"{len(retried)} of {len(tasks)} tasks retried, by {len(outcomes)} cases on {engine.name}",
    )

    assert not states.keys() - visited, "states never entered"
    assert not [str(step) for step in sorted(set(defined_transitions) - taken)], "transitions never taken"
    assert not [str(step) for step in sorted(taken - set(defined_transitions))], "transitions nobody defined"
    assert not tasks.keys() - retried, "tasks whose retry was never seen to work"


def test_a_run_that_succeeds_ends_with_the_recorders_summary_alone(outcomes: Outcomes) -> None:
    succeeded = [outcome for outcome in outcomes.values() if outcome.status == "SUCCEEDED"]

    assert succeeded
    for outcome in succeeded:
        assert outcome.output.keys() >= {"run_id", "outcome", "decision", "manifest_uri", "next_command"}


def test_a_run_that_failed_and_was_recorded_ends_with_the_recorders_error_and_cause(
    outcomes: Outcomes,
) -> None:
    failed = [outcome for outcome in outcomes.values() if outcome.visits[-1].state == "RunFailed"]

    assert failed
    for outcome in failed:
        assert (outcome.error, outcome.cause) == ("MissingColumn", "raw/titanic.csv has no column Sex")
        assert outcome.last_call("RecordFailure")["Payload"]["outcome"] == "failed"


def test_a_run_without_a_record_ends_under_a_name_of_its_own(outcomes: Outcomes) -> None:
    lost = [outcome for outcome in outcomes.values() if outcome.visits[-1].state == "RunUnrecorded"]

    assert lost
    for outcome in lost:
        assert outcome.error == "RunUnrecorded"
        assert "InvalidInput" in outcome.cause
        assert "AccessDenied" in outcome.cause


def test_a_service_that_stays_busy_is_tried_six_times(outcomes: Outcomes) -> None:
    assert outcomes["ServiceStaysBusy"].tries("InitRun") == 6


def test_the_recorder_is_told_who_it_records_even_when_init_run_failed(outcomes: Outcomes) -> None:
    payload = outcomes["InputIsRefused"].last_call("RecordFailure")["Payload"]

    assert payload["execution"].keys() == {"id", "name", "start_time", "state_machine_id", "input"}
    assert payload["execution"]["id"].endswith(payload["execution"]["name"])
    assert payload["execution"]["input"] == {}
    assert payload["state"].keys() == {"error"}


def test_init_run_and_the_recorder_hear_which_machine_asks(outcomes: Outcomes, machine_name: str) -> None:
    recorded = outcomes["InputIsRefused"].last_call("RecordFailure")["Payload"]

    assert outcomes["InputIsRefused"].last_call("InitRun")["Payload"]["kind"] == machine_name
    assert recorded["kind"] == machine_name


def test_the_message_about_an_unrecorded_run_fits_sns_and_names_both_errors(
    outcomes: Outcomes, machine_name: str
) -> None:
    message = outcomes["FailureCannotBeRecorded"].last_call("NotifyUnrecorded")

    assert message["Subject"] == f"{machine_name}: a run failed and left no record"
    assert "InvalidInput" in message["Message"]
    assert "AccessDenied" in message["Message"]
    assert f"execution:{machine_name}:" in message["Message"]


def test_every_request_to_aws_satisfies_the_service_model(outcomes: Outcomes, states: States) -> None:
    problems = {
        f"{outcome.case}: {visit.state}: {problem}"
        for outcome in outcomes.values()
        for visit in outcome.visits
        for parameters in visit.calls
        if (problem := refusal(states[visit.state]["Resource"], parameters))
    }

    assert not problems


def refusal(resource: str, parameters: dict[str, Any]) -> str:
    """Why the service would refuse the request that the task makes; empty when it would not."""
    service, action = resource.removesuffix(".sync").removesuffix(".waitForTaskToken").split(":")[-2:]
    model = service_model(service).operation_model(action[0].upper() + action[1:])
    if service == "lambda":  # the optimised integration takes the payload as JSON
        parameters = parameters | {"Payload": json.dumps(parameters["Payload"])}
    return str(ParamValidator().validate(parameters, model.input_shape).generate_report())


@cache
def service_model(service: str) -> Any:
    return get_session().get_service_model(service)
