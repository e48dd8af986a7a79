"""Updates: blue/green, canaries, alarms that roll back, and requests that never notice."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

Document = dict[str, Any]

LONG = 3600  # seconds of baking, which the cloud's wait scale makes 3.6
MOST_REQUESTS = 280


def shifting(kind: str = "ALL_AT_ONCE", wait: int = 0, termination: int = 0, **more: Any) -> Document:
    size = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}.get(kind)
    percent = {"Type": "CAPACITY_PERCENT", "Value": more.pop("percent", 50)}
    routing = {"Type": kind, "WaitIntervalInSeconds": wait, **({size: percent} if size else {})}
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": termination}
    return {"BlueGreenUpdatePolicy": policy, **more}


def guarded(deployment: Document, *alarms: str) -> Document:
    return {**deployment, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarms]}}


@pytest.fixture
def make_alarm(aws: Callable[[str], Any]) -> Iterator[Callable[..., str]]:
    """Makes an alarm on a metric of one endpoint."""
    made: list[str] = []

    def make(endpoint: str, metric: str = "Invocation4XXErrors", config: str | None = None) -> str:
        made.append(f"alarm-{uuid.uuid4().hex[:8]}")
        dimensions = {"EndpointName": endpoint, "VariantName": "AllTraffic"}
        dimensions |= {"EndpointConfigName": config} if config else {}
        aws("cloudwatch").put_metric_alarm(
            AlarmName=made[-1],
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
        )
        return made[-1]

    yield make
    aws("cloudwatch").delete_alarms(AlarmNames=made)


def update(hosting: Any, name: str, config: str, deployment: Document | None = None, **more: Any) -> None:
    request = {"DeploymentConfig": deployment} if deployment else {}
    hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config, **request, **more)


def pending(described: Document) -> Document:
    """The status of the new fleet's variant; empty when there is none."""
    summary = described.get("PendingDeploymentSummary")
    return dict(summary["ProductionVariants"][0]["VariantStatus"][0]) if summary else {}


def stage(name: str) -> Callable[[Document], bool]:
    return lambda described: pending(described).get("Status") == name


def test_an_update_ends_on_the_new_configuration(hosting: Any) -> None:
    old, new = hosting.config(hosting.model(yes=True)), hosting.config(hosting.model(yes=False))
    name = hosting.in_service(old)
    created = hosting.describe(name)
    assert hosting.score(name) > 0.5
    deployment = shifting(termination=LONG // 3)
    update(hosting, name, new, deployment)
    moving = hosting.describe(name)
    assert (moving["EndpointStatus"], moving["EndpointConfigName"]) == ("Updating", old)
    assert moving["PendingDeploymentSummary"]["EndpointConfigName"] == new
    described = hosting.settled(name)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", new)
    assert described["LastModifiedTime"] > created["LastModifiedTime"]
    assert described["LastDeploymentConfig"] == deployment
    assert not {"FailureReason", "PendingDeploymentSummary"} & described.keys()
    assert hosting.score(name) < 0.5


def test_the_old_fleet_leaves_nothing_behind(hosting: Any, cloud: Any) -> None:
    name = hosting.in_service()
    [before] = (cloud.home / "endpoints" / name).iterdir()
    update(hosting, name, hosting.config(hosting.model()))
    hosting.settled(name)
    [after] = (cloud.home / "endpoints" / name).iterdir()
    assert before != after


def test_an_update_in_progress_is_left_alone(hosting: Any) -> None:
    config = hosting.config(hosting.model())
    name = hosting.in_service(config)
    update(hosting, name, config, shifting(termination=LONG // 3))
    for change in (
        lambda: update(hosting, name, config),
        lambda: hosting.sagemaker.delete_endpoint(EndpointName=name),
    ):
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            change()
    assert hosting.settled(name)["EndpointStatus"] == "InService"


def test_a_model_that_does_not_load_leaves_the_old_one_serving(hosting: Any, pack: Any) -> None:
    old = hosting.config(hosting.model())
    bad = hosting.config(hosting.model(pack({"xgboost-model": b"not a model"})))
    name = hosting.in_service(old)
    before = hosting.score(name)
    update(hosting, name, bad)
    described = hosting.settled(name)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", old)
    assert f"The update to the endpoint configuration {bad} was rolled back" in described["FailureReason"]
    assert "did not pass the ping health check" in described["FailureReason"]
    assert hosting.score(name) == before
    update(hosting, name, hosting.config(hosting.model()))
    assert "FailureReason" not in hosting.settled(name)


def test_a_canary_gets_its_share_of_the_requests(hosting: Any) -> None:
    name = hosting.in_service(hosting.config(hosting.model(yes=True)))
    new = hosting.config(hosting.model(yes=False))
    deployment = shifting("CANARY", LONG, 0, percent=10)
    update(hosting, name, new, deployment)
    baking = pending(hosting.wait(name, stage("Baking")))
    assert baking["StatusMessage"] == (
        "Baking for 3600 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of"
        " 1 instance(s)."
    )
    scores = [hosting.score(name) for _ in range(20)]
    assert sum(score < 0.5 for score in scores) == 2
    described = hosting.settled(name)
    assert described["EndpointConfigName"] == new
    assert described["LastDeploymentConfig"] == deployment
    assert hosting.score(name) < 0.5


def test_linear_steps_move_the_traffic_bit_by_bit(hosting: Any) -> None:
    name = hosting.in_service(hosting.config(hosting.model(yes=True)))
    update(hosting, name, hosting.config(hosting.model(yes=False)), shifting("LINEAR", LONG // 2, percent=50))
    hosting.wait(name, stage("Baking"))
    assert sum(hosting.score(name) < 0.5 for _ in range(10)) == 5
    assert hosting.settled(name)["EndpointStatus"] == "InService"


def test_an_alarm_on_errors_of_the_canary_rolls_back(hosting: Any, make_alarm: Any) -> None:
    old = hosting.config(hosting.model(features=3))
    bad = hosting.config(hosting.model(features=4))  # which answers 400 to three columns
    name = hosting.in_service(old)
    alarm = make_alarm(name)
    update(hosting, name, bad, guarded(shifting("CANARY", LONG), alarm))
    hosting.wait(name, stage("Baking"))
    refused = 0
    while hosting.describe(name)["EndpointStatus"] == "Updating":
        try:
            hosting.ask(name)
        except hosting.runtime.exceptions.ModelError:
            refused += 1
    described = hosting.settled(name)
    assert refused
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", old)
    assert f"CloudWatch alarms went off during the deployment: {alarm}" in described["FailureReason"]
    assert "LastDeploymentConfig" not in described
    assert [hosting.score(name) > 0.5 for _ in range(5)] == [True] * 5


def test_an_alarm_may_watch_the_new_fleet_alone(hosting: Any, make_alarm: Any) -> None:
    old, new = hosting.config(hosting.model()), hosting.config(hosting.model())
    name = hosting.in_service(old)
    with pytest.raises(ClientError, match=r"\(400\)"):
        hosting.ask(name, "1,2")  # the old fleet's trouble
    alarm = make_alarm(name, config=new)
    update(hosting, name, new, guarded(shifting(termination=60), alarm))
    assert hosting.settled(name)["EndpointConfigName"] == new
    with pytest.raises(ClientError, match=r"\(400\)"):
        hosting.ask(name, "1,2")
    hosting.aws("cloudwatch").describe_alarms(AlarmNames=[alarm])


def test_an_alarm_that_is_red_before_the_update_rolls_back(hosting: Any, make_alarm: Any) -> None:
    old = hosting.config(hosting.model())
    name = hosting.in_service(old)
    alarm = make_alarm(name)
    hosting.aws("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test")
    update(hosting, name, hosting.config(hosting.model()), guarded(shifting(termination=60), alarm))
    described = hosting.settled(name)
    assert described["EndpointConfigName"] == old
    assert alarm in described["FailureReason"]


def test_an_alarm_that_is_not_there_is_refused(hosting: Any) -> None:
    config = hosting.config(hosting.model())
    name = hosting.in_service(config)
    with pytest.raises(ClientError, match="Alarms of AutoRollbackConfiguration do not exist: no-such-alarm"):
        update(hosting, name, config, guarded(shifting(), "no-such-alarm"))
    assert hosting.describe(name)["EndpointStatus"] == "InService"


def test_the_variants_keep_their_names(hosting: Any) -> None:
    model = hosting.model()
    name = hosting.in_service(hosting.config(model))
    variant = {"VariantName": "Other", "ModelName": model, "InitialInstanceCount": 1}
    other = hosting.config("", ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}])
    with pytest.raises(ClientError, match="must have the same variant names"):
        update(hosting, name, other)


def test_a_deployment_config_can_be_kept_for_the_next_update(hosting: Any) -> None:
    config = hosting.config(hosting.model())
    deployment = shifting(termination=60)
    name = hosting.create(config, DeploymentConfig=deployment)
    hosting.settled(name)
    update(hosting, name, config, RetainDeploymentConfig=True)
    assert hosting.settled(name)["LastDeploymentConfig"] == deployment
    with pytest.raises(ClientError, match="RetainAllVariantProperties"):
        update(hosting, name, config, RetainAllVariantProperties=True)


def test_the_stages_of_a_deployment_are_events(hosting: Any) -> None:
    sqs, events = hosting.aws("sqs"), hosting.aws("events")
    rule = f"rule-{uuid.uuid4().hex[:8]}"
    queue = sqs.create_queue(QueueName=rule)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    name = hosting.in_service()
    pattern = {
        "detail-type": ["SageMaker Endpoint Deployment State Change"],
        "detail": {"EndpointName": [name]},
    }
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": arn}])
    update(hosting, name, hosting.config(hosting.model()))
    hosting.settled(name)
    stages: list[str] = []
    while len(stages) < 4:
        for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]:
            detail = json.loads(message["Body"])["detail"]
            assert detail["EndpointStatus"] == "UPDATING"
            [variant] = detail["PendingDeploymentSummary"]["ProductionVariants"]
            [status] = variant["VariantStatus"]
            assert status["StartTime"] > 1e12  # milliseconds
            stages.append(status["Status"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert sorted(stages) == ["ActivatingTraffic", "Baking", "Creating", "Deleting"]
    events.remove_targets(Rule=rule, Ids=["queue"])
    events.delete_rule(Name=rule)


class Load:
    """Requests from four clients at once, until told to stop or until there were enough."""

    def __init__(self, hosting: Any, name: str) -> None:
        self._hosting, self._name = hosting, name
        self.scores: list[float] = []
        self.lost: list[Exception] = []
        self._ended = threading.Event()

    def client(self) -> None:
        while not self._ended.wait(0.03) and len(self.scores) + len(self.lost) < MOST_REQUESTS:
            try:
                self.scores.append(self._hosting.score(self._name))
            except Exception as error:
                self.lost.append(error)

    @contextmanager
    def running(self) -> Iterator[None]:
        clients = [threading.Thread(target=self.client) for _ in range(4)]
        for client in clients:
            client.start()
        yield
        before_the_end = len(self.scores) + len(self.lost)
        self._ended.set()
        for client in clients:
            client.join()
        assert before_the_end < MOST_REQUESTS, "the load ended before the change did"


def test_no_request_is_lost_over_an_update(hosting: Any, record_property: Any) -> None:
    name = hosting.in_service(hosting.config(hosting.model(yes=True)))
    load = Load(hosting, name)
    with load.running():
        update(hosting, name, hosting.config(hosting.model(yes=False)), shifting("CANARY", 200, 100))
        hosting.settled(name)
        last = len(load.scores)
        while len(load.scores) < last + 8 and not load.lost:
            pass
    assert not load.lost
    assert max(load.scores) > 0.5 > min(load.scores)
    assert all(score < 0.5 for score in load.scores[last + 4 :])
    record_property("terminal_summary", f"update: {len(load.scores)} requests, 0 lost")


def test_no_request_is_lost_over_a_rollback(hosting: Any, make_alarm: Any, record_property: Any) -> None:
    old = hosting.config(hosting.model(yes=True))
    name = hosting.in_service(old)
    alarm = make_alarm(name, "Invocation5XXErrors")
    load = Load(hosting, name)
    with load.running():
        new = hosting.config(hosting.model(yes=False))
        update(hosting, name, new, guarded(shifting("CANARY", LONG), alarm))
        hosting.wait(name, lambda _: min(load.scores) < 0.5)
        hosting.aws("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test")
        assert hosting.settled(name)["EndpointConfigName"] == old
        last = len(load.scores)
        while len(load.scores) < last + 8 and not load.lost:
            pass
    assert not load.lost
    assert all(score > 0.5 for score in load.scores[last + 4 :])
    record_property("terminal_summary", f"rollback: {len(load.scores)} requests, 0 lost")
