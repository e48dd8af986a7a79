"""Promotion through the real machine: staging, the gate, prod, and every way back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import control
from ops import endpoints, gate, orphans, rollback, runs
from ops.errors import GateClosed, NothingToRollBackTo
from ops.target import LOCAL_CREDENTIALS, Choice, Target, open_target

pytestmark = pytest.mark.xdist_group("e2e-promotion")

STAGING, PROD = "titanic-survival-staging", "titanic-survival-prod"
PASSENGERS = b"3,0,22,1,0,7.25,2\n1,1,38,1,0,71.2833,0\n"
MOST_REQUESTS = 300
BAKE_SECONDS = 3600  # the longest there is, which the cloud's wait scale makes 3.6; the alarm ends it


class Promotions:
    """What the tests do on a cloud of their own."""

    def __init__(self, project: Any, until: Callable[..., Any]) -> None:
        self.project, self.until = project, until
        self.target = local_target(project.stack.endpoint_url)

    def start(self, package: str, **more: Any) -> str:
        arn: str = self.project.start({"model_package_arn": package, **more}, kind="promotion")
        return arn

    def run(self, package: str, **more: Any) -> Any:
        return self.project.result(self.start(package, **more))

    def at_gate(self, execution: str) -> runs.Run:
        """The run, once it waits for a person."""
        run = runs.describe_run(self.target, execution)

        def asked() -> bool:
            if self.project.keys(gate.approval_key(run.run_id)):
                return True
            running = runs.describe_run(self.target, execution).running
            assert running, self.project.result(execution).manifest["failure"]
            return False

        self.until(asked, f"{run.run_id} comes to its gate")
        return run

    def token(self, run: runs.Run) -> str:
        """What the run's gate waits for now."""
        return str(json.loads(self.project.read(gate.approval_key(run.run_id)))["task_token"])

    def answer(self, run: runs.Run, *, confirmed: bool, reason: str = "as a test says") -> Any:
        gate.answer(self.target, run, reason, confirmed=confirmed)
        return self.project.result(run.execution_arn)

    def promote(self, package: str, **more: Any) -> Any:
        return self.answer(self.at_gate(self.start(package, **more)), confirmed=True)

    def prod(self) -> endpoints.Endpoint:
        return endpoints.describe_endpoint(self.target, PROD)

    def staging_is_gone(self) -> bool:
        return self.until(lambda: endpoints.find_endpoint(self.target, STAGING) is None, "staging is gone")  # type: ignore[no-any-return]

    def ask(self) -> list[float]:
        answer = endpoints.invoke(self.target, PROD, PASSENGERS, endpoints.CSV)
        return [float(line) for line in answer.body.split()]

    @contextmanager
    def untouched_prod(self) -> Iterator[None]:
        before = self.prod()
        yield
        assert self.prod() == before
        assert self.staging_is_gone()


class Load:
    """Passengers asked about all the time, at most so many, and how many got no answer."""

    def __init__(self, ask: Callable[[], list[float]]) -> None:
        self._ask, self._over = ask, threading.Event()
        self.asked, self.lost = 0, list[str]()

    def __enter__(self) -> Load:
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)

    def _go_on(self) -> None:
        while not self._over.wait(0.04) and self.asked < MOST_REQUESTS:
            self.asked += 1
            try:
                died, survived = self._ask()
                assert died < 0.5 < survived
            except Exception as error:
                self.lost.append(repr(error))


@pytest.fixture(scope="module")
def here(promoting: Any, until: Callable[..., Any]) -> Promotions:
    return Promotions(promoting, until)


@pytest.fixture(scope="module")
def trained(here: Promotions) -> str:
    """ARN of a version that a training run has registered, and that waits."""
    arn: str = here.project.run().manifest["arns"]["model_package"]
    return arn


@pytest.fixture(scope="module")
def first(here: Promotions, trained: str) -> Any:
    """The first promotion: a person approves the version, the rule starts it, a person confirms it."""
    events, rule = here.project.aws("events"), here.project.names.rule("approved_version")
    events.enable_rule(Name=rule)
    here.project.set_status(trained, "Approved")
    run = here.until(lambda: gate.running(here.target), "the approval starts a promotion")[0]
    events.disable_rule(Name=rule)
    return here.answer(here.at_gate(run.execution_arn), confirmed=True, reason="staging looks well")


@pytest.fixture(scope="module")
def second(here: Promotions, first: Any, trained: str) -> str:
    """ARN of a version that may be promoted over the first."""
    return here.project.version(trained)


def test_an_approved_version_gets_to_prod_past_a_person(here: Promotions, first: Any, trained: str) -> None:
    assert first.description["status"] == "SUCCEEDED", first.manifest["failure"]
    assert first.output["decision"] == "promoted"
    assert first.manifest["gate"]["by"].endswith(":root")
    assert first.manifest["gate"]["reason"] == "staging looks well"
    prod = here.prod()
    assert (prod.status, prod.model_package_arn, prod.count, prod.captures) == ("InService", trained, 1, True)
    died, survived = here.ask()
    assert died < 0.5 < survived
    assert here.staging_is_gone()


def test_what_it_made_bears_the_tags_that_costs_are_counted_by(here: Promotions, first: Any) -> None:
    sagemaker, prod = here.project.aws("sagemaker"), here.prod()
    made = {
        sagemaker.describe_endpoint(EndpointName=PROD)["EndpointArn"],
        sagemaker.describe_endpoint_config(EndpointConfigName=prod.config)["EndpointConfigArn"],
        sagemaker.describe_model(ModelName=prod.config)["ModelArn"],
    }
    for arn in made:
        tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
        assert tags == here.project.names.tags()


def test_people_are_asked_and_told_once_each_and_never_get_the_token(here: Promotions, first: Any) -> None:
    asked, told = first.alerts
    assert "awaits your word" in asked["Subject"]
    assert f"titanic confirm {first.manifest['run_id']}" in asked["Message"]
    assert "is live" in told["Subject"]
    request = json.loads(here.project.read(gate.approval_key(first.manifest["run_id"])))
    assert request["task_token"] not in asked["Message"] + told["Message"]


def test_who_answers_twice_hears_that_it_was_answered(here: Promotions, first: Any) -> None:
    run = runs.find_run(here.target, first.manifest["run_id"])
    with pytest.raises(GateClosed, match=r"does not wait for an answer any more.*has ended: promoted"):
        gate.answer(here.target, run, None, confirmed=True)


def test_the_version_that_is_live_is_not_promoted_again(here: Promotions, first: Any, trained: str) -> None:
    with here.untouched_prod():
        again = here.run(trained)
    assert again.description["status"] == "SUCCEEDED"
    assert again.output["decision"] == "already_live"


@pytest.mark.parametrize("status", ["PendingManualApproval", "Rejected"])
def test_only_an_approved_version_is_promoted(
    here: Promotions, first: Any, trained: str, status: str
) -> None:
    package = here.project.version(trained, status)
    with here.untouched_prod():
        ended = here.run(package)
    assert ended.description["error"] == "ModelNotApproved"
    assert ended.manifest["failure"]["state"] == "CheckPackage"


def test_a_version_whose_artifact_is_no_model_ends_in_staging(
    here: Promotions, first: Any, trained: str, archive: Callable[[dict[str, bytes]], bytes]
) -> None:
    uri = here.project.put("pipeline/runtime/broken/model.tar.gz", archive({"xgboost-model": b"not a model"}))
    with here.untouched_prod():
        ended = here.run(here.project.version(trained, model_uri=uri))
    assert ended.manifest["failure"]["error"] == "StagingFailed"
    assert "ping health check" in ended.manifest["failure"]["cause"]


def test_a_version_whose_artifact_is_gone_never_gets_to_staging(
    here: Promotions, first: Any, trained: str
) -> None:
    uri = f"s3://{here.project.bucket}/pipeline/runtime/gone/model.tar.gz"
    with here.untouched_prod():
        ended = here.run(here.project.version(trained, model_uri=uri))
    assert ended.manifest["failure"]["state"] == "DeployStaging"
    assert f"Could not access model data at {uri}" in ended.manifest["failure"]["cause"]


def test_two_promotions_never_interleave_and_a_declined_one_leaves_prod_alone(
    here: Promotions, second: str
) -> None:
    with here.untouched_prod():
        waiting = here.at_gate(here.start(second))
        late = here.run(second)
        declined = here.answer(waiting, confirmed=False, reason="not today")
    assert late.description["error"] == "PromotionInProgress"
    assert f"titanic confirm {waiting.run_id}" in late.description["cause"]
    assert declined.description["status"] == "SUCCEEDED"
    assert declined.output["decision"] == "declined"
    assert declined.manifest["gate"]["reason"] == "not today"


def test_a_gate_that_nobody_answers_shuts_and_stays_shut(here: Promotions, second: str) -> None:
    with here.untouched_prod(), gate_of(here, seconds=1):
        run = here.at_gate(here.start(second))
        token = here.token(run)
        ended = here.project.result(run.execution_arn)
    assert ended.description["error"] == "GateTimedOut"
    assert ended.manifest["outcome"] == "gate_timed_out"
    with pytest.raises(ClientError):
        here.project.aws("stepfunctions").send_task_success(taskToken=token, output="{}")
    with pytest.raises(GateClosed, match="has ended: gate_timed_out"):
        gate.answer(here.target, run, None, confirmed=True)


def test_no_request_is_lost_while_prod_is_updated_and_rolled_back(
    here: Promotions, second: str, trained: str, record_property: Callable[[str, object], None]
) -> None:
    run = here.at_gate(here.start(second, canary_percent=50, bake_seconds=300))
    with Load(here.ask) as load:
        promoted = here.answer(run, confirmed=True)
        assert promoted.description["status"] == "SUCCEEDED", promoted.manifest["failure"]
        serving = here.prod()
        back = rollback.roll_back(here.target, PROD, "half of the answers are odd")
    record_property(
        "terminal_summary",
        f"Load across a promotion and a rollback: {load.asked} requests, {len(load.lost)} lost",
    )
    assert promoted.output["decision"] == "promoted"
    assert serving.model_package_arn == second
    assert here.prod().model_package_arn == trained
    assert (back.config, back.before) == (here.prod().config, serving.config)
    assert load.asked >= 10  # how many more depends on how long this machine takes
    assert load.lost == []
    _assert_rollback_is_recorded_and_told(here, second)


def _assert_rollback_is_recorded_and_told(here: Promotions, second: str) -> None:
    history = json.loads(here.project.read(f"serving/endpoints/{PROD}.json"))
    by_hand = [
        each for each in history["deployments"] if "half of the answers are odd" in (each["reason"] or "")
    ]
    assert [(each["model_package_arn"], each["outcome"]) for each in by_hand] == [(second, "rolled_back")]
    [kept] = [each for each in history["rollbacks"] if each["reason"] == "half of the answers are odd"]
    assert (kept["to_endpoint_config_name"], kept["outcome"]) == (here.prod().config, "rolled_back")
    [told] = [alert for alert in here.project.alerts() if "by hand" in alert.get("Subject", "")]
    assert "half of the answers are odd" in told["Message"]


def test_there_is_nothing_before_the_first_version_to_roll_back_to(here: Promotions, second: str) -> None:
    with here.untouched_prod(), pytest.raises(NothingToRollBackTo, match="has served nothing before"):
        rollback.roll_back(here.target, PROD, None)


def test_an_alarm_in_the_canary_takes_the_update_back(here: Promotions, second: str, trained: str) -> None:
    before = here.prod()
    run = here.at_gate(here.start(second, bake_seconds=BAKE_SECONDS))
    gate.answer(here.target, run, None, confirmed=True)
    here.until(lambda: here.prod().pending_config, "prod is being updated")
    alarm(here, "ALARM")
    try:
        ended = here.project.result(run.execution_arn)
    finally:
        alarm(here, "OK")
    assert ended.description["error"] == "PromotionRolledBack"
    assert ended.manifest["outcome"] == "rolled_back"
    assert here.project.names["prod_errors_alarm"] in ended.manifest["failure"]["cause"]
    after = here.prod()
    assert (after.config, after.model_package_arn, after.status) == (before.config, trained, "InService")
    assert "rolled back" in ended.alerts[-1]["Subject"]
    assert here.staging_is_gone()


def test_at_night_staging_goes_unless_a_promotion_needs_it(here: Promotions, second: str) -> None:
    with here.untouched_prod():
        run = here.at_gate(here.start(second))
        assert night(here) == "promotion_in_progress"
        assert endpoints.describe_endpoint(here.target, STAGING).status == "InService"
        here.project.aws("stepfunctions").stop_execution(executionArn=run.execution_arn)
        here.until(lambda: here.project.alerts_of(run.run_id), "people hear that it was stopped")
        assert endpoints.find_endpoint(here.target, STAGING)
        assert night(here) == "stopped"
    assert night(here) == "nothing_to_stop"


def test_what_nothing_refers_to_is_found_and_deleted_and_prod_stays(here: Promotions, second: str) -> None:
    sagemaker = here.project.aws("sagemaker")
    config = sagemaker.describe_endpoint_config(EndpointConfigName=here.prod().config)
    names = {f"{STAGING}-v1-{number:010d}" for number in range(101)}  # more than a page
    for name in names:
        sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=config["ProductionVariants"]
        )
    with here.untouched_prod():
        found = orphans.find_orphans(here.target)
        assert names <= {orphan.name for orphan in found}
        assert here.prod().config not in {orphan.name for orphan in found}
        assert orphans.delete(here.target, found) == found
        assert orphans.find_orphans(here.target) == []
        assert here.ask()


def test_prod_that_is_deleted_meanwhile_is_not_made_again(
    here: Promotions, second: str, trained: str
) -> None:
    with held_before_verification(here):
        run = here.at_gate(here.start(second))
        first_token = here.token(run)
        gate.answer(here.target, run, None, confirmed=True)
        here.until(lambda: here.token(run) != first_token, "prod is updated, and waits to be verified")
        endpoints.delete_endpoint(here.target, PROD)
        ended = here.answer(run, confirmed=True)
    assert ended.manifest["failure"]["state"] == "VerifyProd"
    assert ended.manifest["rollback"]["prod"] == "gone"
    assert "was deleted by somebody else meanwhile, and was not made again" in ended.alerts[-1]["Message"]
    assert endpoints.find_endpoint(here.target, PROD) is None
    assert here.staging_is_gone()
    here.promote(trained)  # prod as other tests know it


def test_endpoints_come_back_with_the_cloud(here: Promotions, first: Any) -> None:
    """The last one: the cloud comes back at another address."""
    before = here.ask()
    control.stop(here.project.home)
    here.target = local_target(control.start(here.project.home, port=0, enforce_iam=True).endpoint_url)
    here.until(lambda: here.prod().status == "InService", "prod is back")
    assert here.ask() == before


def night(here: Promotions) -> str:
    """The schedule that stops staging falls due: the outcome that its function logs."""
    before = len(outcomes_of_nights(here))
    here.project.let_fall_due("nightly_staging_shutdown")
    said = here.until(lambda: outcomes_of_nights(here)[before:], "the function says what came of it")
    return str(said[0])


def outcomes_of_nights(here: Promotions) -> list[str]:
    logs, group = here.project.aws("logs"), f"/aws/lambda/{here.project.names.function('stop_staging')}"
    try:
        events = logs.filter_log_events(logGroupName=group)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    lines = [json.loads(event["message"]) for event in events if event["message"].startswith("{")]
    return [line["outcome"] for line in lines if "outcome" in line]


def alarm(here: Promotions, state: str) -> None:
    name = here.project.names["prod_errors_alarm"]
    here.project.aws("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")


def local_target(url: str) -> Target:
    return open_target(Choice(url, credentials=LOCAL_CREDENTIALS), "dev")


def gate_of(here: Promotions, seconds: int) -> AbstractContextManager[None]:
    """Promotions that are started meanwhile wait no longer than this for a person."""
    return changed_machine(here, lambda states: states["RequestApproval"].update(TimeoutSeconds=seconds))


def held_before_verification(here: Promotions) -> AbstractContextManager[None]:
    """Promotions that are started meanwhile ask a second time once prod is updated."""

    def hold(states: dict[str, Any]) -> None:
        states["Hold"] = states["RequestApproval"] | {"ResultPath": None, "Next": "VerifyProd"}
        for choice in states["ProdReady?"]["Choices"]:
            choice["Next"] = choice["Next"].replace("VerifyProd", "Hold")

    return changed_machine(here, hold)


@contextmanager
def changed_machine(here: Promotions, change: Callable[[dict[str, Any]], object]) -> Iterator[None]:
    states, arn = here.project.aws("stepfunctions"), here.project.stack.machine_arn("promotion")
    deployed = states.describe_state_machine(stateMachineArn=arn)["definition"]
    definition = json.loads(deployed)
    change(definition["States"])
    states.update_state_machine(stateMachineArn=arn, definition=json.dumps(definition))
    try:
        yield
    finally:
        states.update_state_machine(stateMachineArn=arn, definition=deployed)
