"""Runs every test case of `mock_config.json` on a Step Functions engine and reads what happened.

Tests that speak of `machine_name`, or of anything made from it, run once for each machine; a module about
one machine says which by a `machine_name` fixture of its own.

The engine is MiniStack in a child process, or, where `SFN_LOCAL_ENDPOINT` names one, a running Step
Functions Local container (`make test-sfn-local`). All executions are started at once and then awaited.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from ops.templates import placeholders, render

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FOLDER = ROOT / "statemachines"
# mock_config.json has the test cases of each machine under this name.
MACHINES = sorted(path.name.partition(".")[0] for path in FOLDER.glob("*.asl.json"))
MOCK_CONFIG = HERE / "mock_config.json"
FUNCTIONS = json.loads((ROOT / "functions" / "functions.json").read_text(encoding="utf-8"))["functions"]

VALUES = {
    "AlertsTopicArn": "arn:aws:sns:eu-west-1:123456789012:titanic-sagemaker-dev-alerts",
    "DataBucket": "titanic-sagemaker-dev-123456789012",
    "PipelineName": "titanic-modelbuild-dev",
    "PrepareJobName": "titanic-sagemaker-dev-prepare",
    **{
        f"{name}FunctionArn": f"arn:aws:lambda:eu-west-1:123456789012:function:{name}"
        for name in ("".join(word.capitalize() for word in name.split("_")) for name in FUNCTIONS)
    },
}

Json = dict[str, Any]


@dataclass(frozen=True, order=True)
class Transition:
    """`kind`: Next, Choice, Default, Catch, or End, which has no target."""

    source: str
    kind: str
    target: str = ""

    def __str__(self) -> str:
        return f"{self.source} -{self.kind}-> {self.target}" if self.target else f"{self.source} ends"


@dataclass
class Visit:
    """One stay in a state. `errors` are those of its tries; `failed` when the last try failed."""

    state: str
    kind: str
    errors: list[str] = field(default_factory=list)
    calls: list[Json] = field(default_factory=list)
    failed: bool = False


@dataclass(frozen=True)
class Outcome:
    """What one execution did."""

    case: str
    status: str
    error: str | None
    cause: str | None
    output: Any
    visits: tuple[Visit, ...]

    @property
    def path(self) -> str:
        return " ".join(visit.state for visit in self.visits)

    def transitions(self, states: Json) -> set[Transition]:
        """Transitions taken, told apart by kind: a Catch may lead where Next leads too."""
        pairs = zip(self.visits, self.visits[1:], strict=False)
        taken = {Transition(a.state, _kind(a, b, states[a.state]), b.state) for a, b in pairs}
        return taken | {Transition(self.visits[-1].state, "End")}

    def tries(self, state: str) -> int:
        """How often the state called its service, retries included."""
        return sum(len(visit.calls) for visit in self.visits if visit.state == state)

    def last_call(self, state: str) -> Json:
        """Parameters of the last call that the state made."""
        return [made for visit in self.visits if visit.state == state for made in visit.calls][-1]

    def retried(self) -> set[str]:
        """States that failed and, tried again, did not."""
        return {visit.state for visit in self.visits if visit.errors and not visit.failed}


@dataclass(frozen=True)
class Engine:
    name: str
    endpoint_url: str
    real_time: bool

    def client(self) -> Any:
        session = boto3.session.Session("test", "test", region_name="eu-west-1")
        config = Config(retries={"total_max_attempts": 1}, read_timeout=60, max_pool_connections=4)
        return session.client("stepfunctions", endpoint_url=self.endpoint_url, config=config)


@pytest.fixture(scope="module", params=MACHINES)
def machine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def definition_path(machine_name: str) -> Path:
    return FOLDER / f"{machine_name}.asl.json"


@pytest.fixture(scope="module")
def definition(definition_path: Path) -> Json:
    """The machine with every placeholder filled in."""
    assert placeholders(definition_path) <= VALUES.keys()
    return rendered(definition_path)


@pytest.fixture(scope="module")
def states(definition: Json) -> dict[str, Json]:
    found: dict[str, Json] = definition["States"]
    return found


@pytest.fixture(scope="module")
def tasks(states: dict[str, Json]) -> dict[str, Json]:
    return {name: state for name, state in states.items() if state["Type"] == "Task"}


@pytest.fixture(scope="module")
def defined_transitions(definition: Json) -> list[Transition]:
    """Every transition the definition has, Choice rules and Catches one by one."""
    found = []
    for name, state in definition["States"].items():
        found += [Transition(name, "Choice", rule["Next"]) for rule in state.get("Choices", [])]
        found += [Transition(name, "Catch", catcher["Next"]) for catcher in state.get("Catch", [])]
        found += [Transition(name, kind, state[kind]) for kind in ("Next", "Default") if kind in state]
        if state["Type"] in ("Succeed", "Fail") or state.get("End"):
            found.append(Transition(name, "End"))
    return found


@pytest.fixture(scope="session")
def mock_config() -> Json:
    loaded: Json = json.loads(MOCK_CONFIG.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    endpoint = os.environ.get("SFN_LOCAL_ENDPOINT")
    if endpoint:
        container = Engine("Step Functions Local", endpoint, real_time=True)
        wait_until_it_answers(container)
        yield container
        return
    environment = {"SFN_MOCK_CONFIG": str(MOCK_CONFIG), "SFN_WAIT_SCALE": "0", "LOG_LEVEL": "WARNING"}
    with subprocess.Popen(
        [sys.executable, str(HERE / "engine.py")],
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT), "PERSIST_STATE": "0"},
        stdin=subprocess.PIPE,  # closing it ends the engine, also when this process is killed
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        port = process.stdout.readline().decode().strip()
        assert port, f"the engine ended with {process.wait()} before it had a port"
        yield Engine("MiniStack", f"http://127.0.0.1:{port}", real_time=False)


@pytest.fixture(scope="session")
def played(engine: Engine, mock_config: Json) -> dict[str, dict[str, Outcome]]:
    """The outcome of each test case of each machine, by their names."""
    client = engine.client()
    started = {name: start_all(engine, client, name, mock_config) for name in MACHINES}
    return {
        name: {case: outcome(client, case, arn) for case, arn in executions.items()}
        for name, executions in started.items()
    }


@pytest.fixture(scope="module")
def outcomes(played: dict[str, dict[str, Outcome]], machine_name: str) -> dict[str, Outcome]:
    """The outcome of each of the machine's test cases, by name."""
    return played[machine_name]


def start_all(engine: Engine, client: Any, name: str, mock_config: Json) -> dict[str, str]:
    """Starts the machine's test cases; ARNs of the executions by case."""
    definition = rendered(FOLDER / f"{name}.asl.json")
    machine = client.create_state_machine(
        name=name,
        definition=json.dumps(hurried(definition) if engine.real_time else definition),
        roleArn="arn:aws:iam::123456789012:role/titanic-sagemaker-dev-state-machine",
    )["stateMachineArn"]
    return {
        case: client.start_execution(stateMachineArn=f"{machine}#{case}", input="{}")["executionArn"]
        for case in mock_config["StateMachines"][name]["TestCases"]
    }


def rendered(path: Path) -> Json:
    document: Json = render(path, VALUES)
    return document


def wait_until_it_answers(engine: Engine) -> None:
    """A container's port is open before the engine in it listens."""
    client, deadline = engine.client(), time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(BotoCoreError):
            client.list_state_machines()
            return
        time.sleep(0.2)
    pytest.fail(f"{engine.name} does not answer at {engine.endpoint_url}")


def hurried(definition: Json) -> Json:
    """The same machine with its waits cut to a second, for an engine that really waits."""
    copy: Json = json.loads(json.dumps(definition))
    for state in copy["States"].values():
        if "Seconds" in state:
            state["Seconds"] = 1
        for retrier in state.get("Retry", []):
            retrier.update(IntervalSeconds=1, BackoffRate=1, MaxDelaySeconds=2)
    return copy


def outcome(client: Any, case: str, execution_arn: str) -> Outcome:
    """Waits for the execution's end and reads its history."""
    deadline = time.monotonic() + 120
    while (description := client.describe_execution(executionArn=execution_arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline, f"{case} is still running"
        time.sleep(0.05)
    pages = client.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    events = [event for page in pages for event in page["events"]]
    end = events[-1].get("executionFailedEventDetails", {})
    output = description.get("output") if description["status"] == "SUCCEEDED" else None
    return Outcome(
        case=case,
        status=description["status"],
        error=end.get("error"),
        cause=end.get("cause"),
        output=json.loads(output) if output else None,
        visits=tuple(visits(events)),
    )


def visits(events: list[Json]) -> list[Visit]:
    """The history's events, gathered by the state they belong to."""
    found: list[Visit] = []
    for event in events:
        kind = event["type"]
        if kind.endswith("StateEntered"):
            found.append(Visit(event["stateEnteredEventDetails"]["name"], kind.removesuffix("StateEntered")))
        elif kind == "TaskScheduled":
            found[-1].calls.append(json.loads(event["taskScheduledEventDetails"]["parameters"]))
            found[-1].failed = False
        elif kind in ("TaskFailed", "TaskTimedOut"):
            details = event["taskFailedEventDetails" if kind == "TaskFailed" else "taskTimedOutEventDetails"]
            found[-1].errors.append(details["error"])
            found[-1].failed = True
    return found


def _kind(visit: Visit, following: Visit, state: Json) -> str:
    if state["Type"] == "Choice":
        chosen = {rule["Next"] for rule in state["Choices"]}
        return "Choice" if following.state in chosen else "Default"
    return "Catch" if visit.failed else "Next"
