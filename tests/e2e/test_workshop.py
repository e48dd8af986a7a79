"""docs/workshop/serving.py as a person runs it: with the SageMaker SDK, answering its questions."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ops import endpoints
from ops.names import ROOT
from ops.target import LOCAL_CREDENTIALS, Choice, Target, open_target

pytestmark = pytest.mark.xdist_group("e2e-workshop")

AUTHORING_PYTHON = ROOT / ".venv-authoring/bin/python"
SCRIPT = ROOT / "docs/workshop/serving.py"
STAGING, PROD = "titanic-survival-staging", "titanic-survival-prod"
PASSENGERS = b"3,0,22,1,0,7.25,2\n1,1,38,1,0,71.2833,0\n"

Archive = Callable[[dict[str, bytes]], bytes]


class Workshop:
    """The script on a cloud of its own, and what it leaves there."""

    def __init__(self, project: Any, home: Path) -> None:
        self.project, self._home = project, home
        self._url = project.stack.endpoint_url
        self.target: Target = open_target(Choice(self._url, credentials=LOCAL_CREDENTIALS), "dev")

    def run(self, *answers: str, package: str | None = None) -> subprocess.CompletedProcess[str]:
        """Nobody is there to ask once the answers are used up."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "AWS_ENDPOINT_URL": self._url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-west-1",
            **({"MODEL_PACKAGE_ARN": package} if package else {}),
        }
        return subprocess.run(
            [str(AUTHORING_PYTHON), str(SCRIPT)],
            cwd=self._home,
            env=environment,
            input="".join(f"{answer}\n" for answer in answers),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def prod(self) -> endpoints.Endpoint:
        return endpoints.describe_endpoint(self.target, PROD)

    def ask(self) -> list[float]:
        answer = endpoints.invoke(self.target, PROD, PASSENGERS, endpoints.CSV)
        return [float(line) for line in answer.body.split()]

    def status(self, package: str) -> str:
        found = self.project.aws("sagemaker").describe_model_package(ModelPackageName=package)
        return str(found["ModelApprovalStatus"])

    def standing(self) -> list[str]:
        """Names of all endpoints, configurations and models."""
        sagemaker = self.project.aws("sagemaker")
        return [
            *(each["EndpointName"] for each in sagemaker.list_endpoints()["Endpoints"]),
            *(each["EndpointConfigName"] for each in sagemaker.list_endpoint_configs()["EndpointConfigs"]),
            *(each["ModelName"] for each in sagemaker.list_models()["Models"]),
        ]

    def history(self) -> list[dict[str, Any]]:
        loaded = json.loads(self.project.read(f"serving/endpoints/{PROD}.json"))
        return list(loaded["deployments"])

    def promotions(self) -> list[str]:
        """ARNs of the executions of the promotion machine."""
        arn = self.project.stack.machine_arn("promotion")
        found = self.project.aws("stepfunctions").list_executions(stateMachineArn=arn)
        return [each["executionArn"] for each in found["executions"]]

    @contextmanager
    def nothing_changes(self) -> Iterator[None]:
        """Prod is the same afterwards, to the minute of its last change, and nothing else stands."""
        before, standing = self.prod(), self.standing()
        yield
        assert self.prod() == before
        assert self.standing() == standing


@pytest.fixture(scope="module")
def workshop(own_cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    if not AUTHORING_PYTHON.exists():
        pytest.fail("the authoring environment is missing: run `make .venv-authoring/.ready`")
    with own_cloud("workshop") as project:
        yield Workshop(project, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def trained(workshop: Workshop) -> str:
    """ARN of a version that a training run has registered, and that waits."""
    arn: str = workshop.project.run().manifest["arns"]["model_package"]
    return arn


@pytest.fixture(scope="module")
def unapproved(workshop: Workshop, trained: str) -> Any:
    """What a no to the first question gives. The version waits on."""
    return workshop.run("no")


@pytest.fixture(scope="module")
def served(workshop: Workshop, trained: str, unapproved: Any) -> Any:
    """Approved and promoted, while the rule is on that starts a promotion after every approval."""
    events, rule = workshop.project.aws("events"), workshop.project.names.rule("approved_version")
    events.enable_rule(Name=rule)
    done = workshop.run("yes", "yes", "no")
    assert events.describe_rule(Name=rule)["State"] == "ENABLED"
    events.disable_rule(Name=rule)
    return done


@pytest.fixture(scope="module")
def second(workshop: Workshop, served: Any, trained: str) -> str:
    """ARN of an approved version that prod does not serve."""
    arn: str = workshop.project.version(trained)
    return arn


@pytest.fixture(scope="module")
def contrary_model() -> bytes:
    """An XGBoost model of seven features that gives men good chances, and women none."""
    import numpy
    import xgboost

    rows = numpy.random.default_rng(1).random((200, 7)).round()
    settings = {"objective": "binary:logistic", "nthread": 1, "max_depth": 2}
    matrix = xgboost.DMatrix(rows, label=1 - rows[:, 1], nthread=1)
    return bytes(xgboost.train(settings, matrix, 10).save_raw("ubj"))


def test_a_version_that_nobody_approves_goes_nowhere(
    workshop: Workshop, trained: str, unapproved: Any
) -> None:
    assert unapproved.returncode == 1
    assert "Version 1 is PendingManualApproval: only an approved version is deployed" in unapproved.stderr
    assert "Traceback" not in unapproved.stderr
    assert "in service" not in unapproved.stdout.lower()


def test_two_yes_bring_a_version_to_prod(workshop: Workshop, trained: str, served: Any) -> None:
    assert served.returncode == 0, served.stderr
    assert workshop.status(trained) == "Approved"
    prod = workshop.prod()
    assert (prod.status, prod.model_package_arn, prod.captures) == ("InService", trained, True)
    died, survived = workshop.ask()
    assert died < 0.5 < survived
    assert f"{STAGING} passes the smoke test" in served.stdout
    assert f"{PROD} passes the smoke test" in served.stdout


def test_nothing_else_is_left(workshop: Workshop, served: Any) -> None:
    config = workshop.prod().config
    assert workshop.standing() == [PROD, config, config]


def test_all_that_is_made_bears_the_tags_that_costs_are_counted_by(workshop: Workshop, served: Any) -> None:
    sagemaker, names = workshop.project.aws("sagemaker"), workshop.project.names
    config = workshop.prod().config
    for resource in (f"endpoint/{PROD}", f"endpoint-config/{config}", f"model/{config}"):
        found = sagemaker.list_tags(ResourceArn=names.arn("sagemaker", resource))["Tags"]
        assert {tag["Key"]: tag["Value"] for tag in found} == names.tags()


def test_the_approval_starts_no_promotion_beside_the_cells(workshop: Workshop, served: Any) -> None:
    assert workshop.promotions() == []


def test_who_approved_stands_in_the_registry_beside_what_was_there(
    workshop: Workshop, trained: str, served: Any
) -> None:
    found = workshop.project.aws("sagemaker").describe_model_package(ModelPackageName=trained)
    metadata = found["CustomerMetadataProperties"]
    assert (metadata["decided_status"], metadata["decided_by"][-5:]) == ("Approved", ":root")
    assert metadata.keys() >= {"run_id", "accuracy", "data_sha256"}


def test_the_titanic_command_knows_the_deployment(workshop: Workshop, trained: str, served: Any) -> None:
    [entry] = workshop.history()
    assert (entry["outcome"], entry["model_package_arn"], entry["version"]) == ("live", trained, 1)
    assert entry["endpoint_config_name"] == workshop.prod().config
    assert entry["previous_endpoint_config_name"] is None


def test_a_model_that_fails_the_smoke_test_never_gets_to_prod(
    workshop: Workshop, served: Any, trained: str, archive: Archive, contrary_model: bytes
) -> None:
    uri = workshop.project.put(
        "pipeline/runtime/contrary/model.tar.gz", archive({"xgboost-model": contrary_model})
    )
    with workshop.nothing_changes():
        ended = workshop.run("yes", "yes", package=workshop.project.version(trained, model_uri=uri))
    assert ended.returncode == 1
    assert f"{STAGING} fails the smoke test (third-class man, 22, first-class woman, 38)" in ended.stderr
    assert "Promote" not in ended.stdout


def test_an_artifact_that_is_no_model_never_gets_to_prod(
    workshop: Workshop, served: Any, trained: str, archive: Archive
) -> None:
    uri = workshop.project.put(
        "pipeline/runtime/broken/model.tar.gz", archive({"xgboost-model": b"not a model"})
    )
    with workshop.nothing_changes():
        ended = workshop.run("yes", "yes", package=workshop.project.version(trained, model_uri=uri))
    assert ended.returncode == 1
    assert "FailedStatusError" in ended.stderr
    assert "ping health check" in ended.stderr


def test_prod_stays_as_it_is_where_nobody_is_there_to_ask(workshop: Workshop, second: str) -> None:
    with workshop.nothing_changes():
        ended = workshop.run(package=second)
    assert ended.returncode == 1
    assert f"Version {second[-1]} was not promoted: {PROD} is as it was." in ended.stderr


def test_a_rejected_version_is_refused(workshop: Workshop, served: Any, trained: str) -> None:
    rejected = workshop.project.version(trained, status="Rejected")
    with workshop.nothing_changes():
        ended = workshop.run("yes", "yes", package=rejected)
    assert "is Rejected: only an approved version is deployed" in ended.stderr


def test_an_update_that_an_alarm_takes_back_is_no_success(workshop: Workshop, second: str) -> None:
    serving = workshop.prod().config
    _set_alarm(workshop, "ALARM")
    try:
        ended = workshop.run("yes", package=second)
    finally:
        _set_alarm(workshop, "OK")
    assert ended.returncode == 1
    assert f"SageMaker took {PROD} back to {serving}" in ended.stderr
    assert workshop.standing() == [PROD, serving, serving]
    assert workshop.history()[-1]["outcome"] == "rolled_back"


def test_an_exercise_ends_where_it_began(workshop: Workshop, second: str) -> None:
    serving = workshop.prod().config
    ended = workshop.run("yes", "yes", package=second)
    assert ended.returncode == 0, ended.stderr
    assert f"{PROD} passes the smoke test" in ended.stdout
    assert f"{PROD} is back on {serving}" in ended.stdout
    assert workshop.standing() == [PROD, serving, serving]
    assert [entry["outcome"] for entry in workshop.history()] == ["live", "rolled_back", "rolled_back"]


def test_a_promotion_under_way_is_left_in_peace(workshop: Workshop, second: str) -> None:
    workshop.project.start({"model_package_arn": second}, kind="promotion")
    ended = workshop.run("yes", package=second)
    assert ended.returncode == 1
    assert f"is under way and uses {STAGING}" in ended.stderr


def _set_alarm(workshop: Workshop, state: str) -> None:
    name = workshop.project.names["prod_errors_alarm"]
    workshop.project.aws("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")
