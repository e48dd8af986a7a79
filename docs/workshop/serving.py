# %% [markdown]
# # Serve a version by hand, with the SageMaker SDK
#
# What the promotion machine does on its own, done here step by step: approve a version, put it on staging,
# ask it about passengers whose fate is known, let a person decide, take it to prod, prove that it is there,
# clean up. The names, the golden passengers and the checks are the project's own;
# [phase 04](../04-serving-ecs-sagemaker.md) explains them.
#
# It uses the resources of SageMaker Python SDK 3 (`sagemaker.core.resources`). Where boto3 is used instead,
# the reason stands there.
#
# **Before you start**: a registered version (`titanic up --detach`, `titanic train`), and no promotion
# under way. Without a cloud in the environment this goes to the local one, as `titanic` does;
# `AWS_ENDPOINT_URL` as `titanic up` prints it, or `AWS_PROFILE` for an account, choose another. The same
# cells run on both.
#
# Three questions wait for a `yes`. Anything else is a no, and leaves prod as it is.

# %%
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from botocore.exceptions import ClientError
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, ModelPackage, ModelPackageGroup
from sagemaker.core.resources import Tag as FoundTag
from sagemaker.core.shapes import (
    Alarm,
    AutoRollbackConfig,
    BlueGreenUpdatePolicy,
    CapacitySize,
    CaptureContentTypeHeader,
    CaptureOption,
    ContainerDefinition,
    DataCaptureConfig,
    DeploymentConfig,
    ProductionVariant,
    Tag,
    TrafficRoutingConfig,
)

START = Path(globals().get("__file__", "")).resolve()  # a notebook has no file: its folder then
ROOT = next(folder for folder in (START, *START.parents) if (folder / "project.json").is_file())
sys.path.insert(0, str(ROOT))

from functions.common.endpoints import IN_PROGRESS, VARIANT, is_missing
from functions.common.serving_history import ServingHistory
from ops import gate
from ops.target import connect


class Stopped(SystemExit):
    """These cells end here. The message says why, and what to do."""


if version("sagemaker").split(".")[0] != "3":
    raise Stopped(f"These cells need sagemaker 3, not {version('sagemaker')}: `make workshop` brings it.")

cloud = connect(os.environ.get("TITANIC_ENV", "dev"))
names, here = cloud.names, {"session": cloud.session, "region": cloud.region}
print(f"{cloud.label} · sagemaker {version('sagemaker')}")

# %% [markdown]
# ## What is deployed, and where
#
# Both endpoints have fixed names, because callers know them. Prod moves in two steps, a canary and then the
# rest, and two alarms take it back; every request to it is captured. All that is made bears the tags of the
# model group, by which costs are counted.

# %%
STAGING, PROD = names.endpoint("staging"), names.endpoint("prod")
INSTANCE_TYPE, INSTANCE_COUNT = "ml.m5.large", 1
CANARY_PERCENT, BAKE_SECONDS = 10, 60
MODEL_ROLE = names.role_arn("model")
WAIT = {"poll": max(1, round(cloud.poll_seconds)), "timeout": 3600}  # seconds, which the SDK takes whole

GROUP = ModelPackageGroup.get(names["model_package_group"], **here)
TAGS = [  # `Tag` is two classes in the SDK: one is read, the other is sent
    Tag(key=each.key, value=each.value)
    for each in FoundTag.get_all(resource_arn=GROUP.model_package_group_arn, **here)
]
CAPTURE = DataCaptureConfig(
    enable_capture=True,
    initial_sampling_percentage=100,
    destination_s3_uri=f"s3://{names['data_bucket']}/monitoring/data-capture",
    capture_options=[CaptureOption(capture_mode="Input"), CaptureOption(capture_mode="Output")],
    capture_content_type_header=CaptureContentTypeHeader(csv_content_types=["text/csv"]),
)
GUARDRAILS = DeploymentConfig(
    blue_green_update_policy=BlueGreenUpdatePolicy(
        traffic_routing_configuration=TrafficRoutingConfig(
            type="CANARY",
            canary_size=CapacitySize(type="CAPACITY_PERCENT", value=CANARY_PERCENT),
            wait_interval_in_seconds=BAKE_SECONDS,
        ),
        termination_wait_in_seconds=BAKE_SECONDS,
        maximum_execution_timeout_in_seconds=1800 + 2 * BAKE_SECONDS,
    ),
    auto_rollback_configuration=AutoRollbackConfig(
        alarms=[Alarm(alarm_name=names[key]) for key in ("prod_errors_alarm", "prod_latency_alarm")]
    ),
)

# %% [markdown]
# ## Which version
#
# The newest that nobody has rejected, or the one that `MODEL_PACKAGE_ARN` names.
#
# A promotion under way has staging in its hands, so there must be none. *boto3*: the SDK knows SageMaker
# only, and executions belong to Step Functions.


# %%
def newest_version() -> ModelPackage:
    versions = ModelPackage.get_all(
        model_package_group_name=names["model_package_group"],
        sort_by="CreationTime",
        sort_order="Descending",
        **here,
    )
    newest = next((each for each in versions if each.model_approval_status != "Rejected"), None)
    if newest is None:
        raise Stopped("There is no version to serve: `titanic train` registers one.")
    return newest


if promotions := gate.running(cloud):
    raise Stopped(
        f"Promotion {promotions[0].run_id} is under way and uses {STAGING}: answer it with `titanic confirm` "
        "or `titanic decline`, or wait for its end."
    )
chosen = os.environ.get("MODEL_PACKAGE_ARN")
package = ModelPackage.get(chosen, **here) if chosen else newest_version()
VERSION = package.model_package_version
metadata = dict(package.customer_metadata_properties or {})
judged = [f"{name} {metadata[name]}" for name in ("accuracy", "f1", "auc") if name in metadata]
print(f"version {VERSION}: {package.model_approval_status}, {', '.join(judged) or 'never judged by a run'}")

# %% [markdown]
# ## Approve it
#
# An approval starts the promotion machine, through an EventBridge rule, and it would deploy to staging at
# the same time as these cells. So the rule pauses until the clean-up at the end, or until a cell fails.
# *boto3*: rules are EventBridge's, which the SDK does not know.


# %%
paused: list[str] = []


def pause_automatic_promotion() -> None:
    events, rule = cloud.client("events"), names.rule("approved_version")
    try:
        enabled = events.describe_rule(Name=rule)["State"] == "ENABLED"
    except events.exceptions.ResourceNotFoundException:
        return
    if enabled:
        events.disable_rule(Name=rule)
        paused.append(rule)


def resume_automatic_promotion() -> None:
    while paused:
        cloud.client("events").enable_rule(Name=paused.pop())


def ask(question: str) -> bool:
    """A person's word. Where nobody is there to ask, the answer is no."""
    try:
        return input(f"{question} (yes/no) ").strip().lower() == "yes"
    except EOFError:
        return False


if package.model_approval_status == "PendingManualApproval" and ask(f"Approve version {VERSION}?"):
    pause_automatic_promotion()
    who, now = cloud.identity["Arn"], f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    package.update(
        model_approval_status="Approved",
        approval_description=f"Approved in the serving workshop by {who}",
        customer_metadata_properties={
            **metadata, "decided_by": who, "decided_at": now, "decided_status": "Approved"
        },
    )  # fmt: skip
print(f"version {VERSION}: {package.model_approval_status}")

# %% [markdown]
# ## Tools
#
# A deployment is a model, a configuration and an endpoint. The first two bear the deployment's name, as
# those of the promotion machine do. The model is made of the model package and of nothing else: what is not
# approved in the registry cannot be served.
#
# Two traps, on AWS as here. An update that SageMaker takes back ends `InService` as well, on the old
# configuration, so the name of the configuration is compared. And `refresh()` keeps what an answer no
# longer mentions, a pending deployment for instance, so an endpoint is looked up again instead.


# %%
@contextmanager
def unless_gone() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if not is_missing(error):
            raise


def find(name: str) -> Endpoint | None:
    with unless_gone():
        return Endpoint.get(name, **here)
    return None


def settled(name: str) -> Endpoint | None:
    """The endpoint once nothing about it changes: SageMaker takes one change at a time."""
    endpoint = find(name)
    while endpoint and endpoint.endpoint_status in IN_PROGRESS:
        time.sleep(WAIT["poll"])
        endpoint = find(name)
    return endpoint


def require_approved() -> None:
    status = ModelPackage.get(package.model_package_arn, **here).model_approval_status
    if status != "Approved":
        raise Stopped(
            f"Version {VERSION} is {status}: only an approved version is deployed. `titanic approve "
            f"{VERSION}` approves it, and so does a yes here."
        )


def new_deployment(endpoint_name: str) -> str:
    return f"{endpoint_name}-v{VERSION}-{datetime.now(UTC):%y%m%d%H%M%S}"


def deploy(name: str, deployment: str, **of_config: object) -> Endpoint:
    """The endpoint, in service on the deployment. Its configuration has a variant, and `of_config`."""
    require_approved()
    try:
        endpoint = request(name, deployment, **of_config)
    except ClientError:
        remove_deployment(deployment)
        raise
    endpoint.wait_for_status("InService", **WAIT)
    endpoint = Endpoint.get(name, **here)
    if endpoint.endpoint_config_name != deployment:
        remove_deployment(deployment)
        raise Stopped(
            f"SageMaker took {name} back to {endpoint.endpoint_config_name}: an alarm went off in the "
            "canary, or the new instances did not become healthy. The alarms' history says more."
        )
    print(f"{name} is {endpoint.endpoint_status} on {deployment}")
    return endpoint


def request(name: str, deployment: str, **of_config: object) -> Endpoint:
    container = ContainerDefinition(model_package_name=package.model_package_arn)
    Model.create(deployment, primary_container=container, execution_role_arn=MODEL_ROLE, tags=TAGS, **here)
    variant = ProductionVariant(
        variant_name=VARIANT,  # blue/green refuses another name than before
        model_name=deployment,
        instance_type=INSTANCE_TYPE,
        initial_instance_count=INSTANCE_COUNT,
        initial_variant_weight=1.0,
    )
    EndpointConfig.create(deployment, production_variants=[variant], tags=TAGS, **of_config, **here)
    endpoint = find(name)
    if endpoint is None:
        return Endpoint.create(name, endpoint_config_name=deployment, tags=TAGS, **here)
    endpoint.endpoint_config_name = deployment  # `update` has no argument for it: it sends the attribute
    return endpoint.update(deployment_config=GUARDRAILS)


def remove(name: str) -> None:
    endpoint = settled(name)
    if endpoint:
        endpoint.delete()
        endpoint.wait_for_delete(**WAIT)
        remove_deployment(endpoint.endpoint_config_name)
        print(f"{name} is gone")


def remove_deployment(deployment: str) -> None:
    with unless_gone():
        EndpointConfig.get(deployment, **here).delete()
    with unless_gone():
        Model.get(deployment, **here).delete()


@contextmanager
def staging_goes_if_this_fails() -> Iterator[None]:
    try:
        yield
    except BaseException:
        clean_up()
        raise


def clean_up() -> None:
    remove(STAGING)
    resume_automatic_promotion()


# %% [markdown]
# ## Staging
#
# Made anew each time: whatever an earlier try left there goes first.

# %%
with staging_goes_if_this_fails():
    remove(STAGING)
    staging = deploy(STAGING, new_deployment(STAGING))

# %% [markdown]
# ## Smoke test
#
# The golden passengers of the data contract: their number, each a probability, each on its side. A header
# in the payload would be refused with 415, which is why there is none.

# %%
GOLDEN = json.loads((ROOT / "contracts/titanic.json").read_text(encoding="utf-8"))["golden_rows"]


def smoke_test(endpoint: Endpoint) -> None:
    rows = [",".join("" if value is None else str(value) for value in row["features"]) for row in GOLDEN]
    begun = time.perf_counter()
    answer = endpoint.invoke(body="\n".join(rows).encode(), content_type="text/csv", accept="text/csv")
    said = answer.body.read().decode().replace(",", " ").split()
    milliseconds = (time.perf_counter() - begun) * 1000
    if len(said) != len(rows):
        raise Stopped(f"{endpoint.endpoint_name} gave {len(said)} predictions for {len(rows)} rows: {said}")
    wrong = [row["name"] for row, text in zip(GOLDEN, said, strict=True) if not as_expected(row, float(text))]
    if wrong:
        raise Stopped(
            f"{endpoint.endpoint_name} fails the smoke test ({', '.join(wrong)}), so version {VERSION} goes "
            "no further: look at it with `titanic models`, train another."
        )
    print(f"{endpoint.endpoint_name} passes the smoke test, in {milliseconds:.0f} ms")


def as_expected(row: dict[str, object], probability: float) -> bool:
    above = probability >= row["threshold"]
    right = 0 <= probability <= 1 and above == (row["expect"] == "above")
    print(f"  {row['name']:24} {probability:.4f}, expected {row['expect']} {row['threshold']}")
    return right


with staging_goes_if_this_fails():
    smoke_test(staging)

# %% [markdown]
# ## The gate, and prod
#
# A person decides, and the registry is asked once more: somebody may have rejected the version meanwhile.
# What prod serves now is written down before it is touched, where `titanic rollback` looks for it. *boto3*:
# that file lies in S3.


# %%
def put_back(why: str) -> None:
    """Prod as it was before these cells: on its configuration, or not there."""
    endpoint = settled(PROD)
    if endpoint and PREVIOUS is None:
        remove(PROD)
    elif endpoint and endpoint.endpoint_config_name != PREVIOUS:
        made = endpoint.endpoint_config_name
        endpoint.endpoint_config_name = PREVIOUS
        endpoint.update()
        endpoint.wait_for_status("InService", **WAIT)
        remove_deployment(made)
        print(f"{PROD} is back on {PREVIOUS}")
    settle("rolled_back" if PREVIOUS else "removed", why)


def settle(outcome: str, why: str | None = None) -> None:
    history.settle(RUN, outcome, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", why)


@contextmanager
def prod_goes_back_if_this_fails() -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        put_back(f"The serving workshop failed: {error}")
        raise


RUN = f"workshop-{datetime.now(UTC):%Y%m%d%H%M%S}"
history = ServingHistory(cloud.client("s3"), names["data_bucket"], PROD)

with staging_goes_if_this_fails():
    require_approved()
    before = find(PROD)
    PREVIOUS = before.endpoint_config_name if before else None
    if not ask(f"{PROD} serves {PREVIOUS or 'nothing'}. Promote version {VERSION} to it?"):
        raise Stopped(f"Version {VERSION} was not promoted: {PROD} is as it was.")
    deployment = new_deployment(PROD)
    history.request(
        {
            "run_id": RUN,
            "endpoint_config_name": deployment,
            "model_name": deployment,
            "model_package_arn": package.model_package_arn,
            "version": VERSION,
            "previous_endpoint_config_name": PREVIOUS,
            "requested_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
    )
    with prod_goes_back_if_this_fails():
        prod = deploy(PROD, deployment, data_capture_config=CAPTURE)

# %% [markdown]
# ## Verify
#
# What prod serves, followed from the endpoint back to the registry, and the smoke test again.


# %%
def version_behind(endpoint: Endpoint) -> str:
    config = EndpointConfig.get(endpoint.endpoint_config_name, **here)
    model = Model.get(config.production_variants[0].model_name, **here)
    return str(model.primary_container.model_package_name)


with staging_goes_if_this_fails(), prod_goes_back_if_this_fails():
    if version_behind(prod) != package.model_package_arn:
        raise Stopped(f"{PROD} serves {version_behind(prod)}, not {package.model_package_arn}.")
    smoke_test(prod)
    settle("live")
    evidence = {
        "model_package_arn": package.model_package_arn,
        "approval": ModelPackage.get(package.model_package_arn, **here).model_approval_status,
        "endpoints": {each.endpoint_arn: each.endpoint_status for each in map(find, (STAGING, PROD))},
        "configuration": deployment,
        "previous_configuration": PREVIOUS,
        "by": cloud.identity["Arn"],
    }
    print(json.dumps(evidence, indent=2))

# %% [markdown]
# ## Clean up
#
# Staging goes, with its configuration and model, and the rule that an approval wakes works again. Prod
# stays, unless this was an exercise: then it goes back to what it served before, which is what a rollback
# is. Later, `titanic rollback` does the same.

# %%
clean_up()
if ask(f"Was this an exercise, so that {PROD} goes back to {PREVIOUS or 'not being there'}?"):
    put_back("The serving workshop was an exercise")
