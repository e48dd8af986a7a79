"""The operations on endpoints."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from localcloud.sagemaker import paging
from localcloud.sagemaker.errors import ValidationError, not_here
from localcloud.sagemaker.hosting.alarms import Alarms, AlarmsUnknown
from localcloud.sagemaker.hosting.configs import EndpointConfigs
from localcloud.sagemaker.hosting.endpoint import IN_PROGRESS, Endpoint, Pending
from localcloud.sagemaker.hosting.hosted import Hosted
from localcloud.sagemaker.hosting.launch import Launcher
from localcloud.sagemaker.hosting.metrics import Metrics
from localcloud.sagemaker.hosting.policy import read_policy
from localcloud.sagemaker.hosting.rollout import INTERRUPTED, Rollout
from localcloud.sagemaker.models import Models, ServedModel
from localcloud.sagemaker.work import Surroundings

Request = dict[str, Any]

_KEPT = (
    "EndpointConfigName",
    "ProductionVariants",
    "DataCaptureConfig",
)  # of a configuration, by its endpoint


class Endpoints:
    """All endpoints and their configurations."""

    def __init__(
        self, models: Models, around: Surroundings, wait_scale: float, alarms: Alarms | None = None
    ) -> None:
        self._prefix = f"arn:aws:sagemaker:{around.region}:{around.account_id}"
        self._scale, self._alarms = wait_scale, alarms or Alarms()
        self._launcher = Launcher(models, around)
        self.configs = EndpointConfigs(self._prefix, models.served)
        self.metrics = Metrics()
        self._hosted: dict[str, Hosted] = {}
        self._lock = threading.Lock()

    def operations(self) -> dict[str, Callable[[Request], Request]]:
        """What the control plane serves, by name."""
        return {
            "CreateEndpointConfig": self.configs.create,
            "DescribeEndpointConfig": self.configs.describe,
            "DeleteEndpointConfig": self.configs.delete,
            "ListEndpointConfigs": self.configs.list_configs,
            "CreateEndpoint": self.create,
            "DescribeEndpoint": self.describe,
            "UpdateEndpoint": self.update,
            "DeleteEndpoint": self.delete,
            "ListEndpoints": self.list_endpoints,
        }

    def create(self, request: Request) -> Request:
        """Answers at once; `Creating` ends as `InService` or `Failed`."""
        name = request["EndpointName"]
        config = self._config(request["EndpointConfigName"])
        read_policy(request.get("DeploymentConfig"), _instances(config))
        models = self._launcher.resolve(config)
        record = Endpoint(name, f"{self._prefix}:endpoint/{name}", config, request.get("Tags", []))
        record.deployment = request.get("DeploymentConfig")
        hosted = Hosted(record)
        with self._lock:
            if name in self._hosted:
                raise ValidationError(f'Cannot create already existing endpoint "{record.arn}".')
            self._hosted[name] = hosted
        hosted.begin("Creating", lambda: self._rollout(hosted).create(models))
        return {"EndpointArn": record.arn}

    def update(self, request: Request) -> Request:
        """Answers at once; `Updating` ends as `InService`, on the new configuration or on the old one."""
        for member in ("RetainAllVariantProperties", "ExcludeRetainedVariantProperties"):
            if request.get(member):
                raise not_here(
                    f"{member}: weights and instance counts come from the new configuration, and that"
                )
        config = self._config(request["EndpointConfigName"])
        with self._lock:
            hosted = self._find(request)
            record = hosted.record
            _refuse_unless(record.ready, record, "update")
            _check_variants(record.config, config)
            deployment = request.get("DeploymentConfig")
            if request.get("RetainDeploymentConfig"):
                deployment = deployment or record.deployment
            policy = read_policy(deployment, _instances(config))
            models = self._launcher.resolve(config)
            try:
                watch = self._alarms.watch(policy.alarms, next(iter(models.values())).role)
            except AlarmsUnknown as error:
                raise ValidationError(str(error)) from error
            rollout = self._rollout(hosted)
            hosted.begin(
                "Updating", lambda: rollout.update(models, policy, watch, deployment), Pending(config=config)
            )
        return {"EndpointArn": record.arn}

    def describe(self, request: Request) -> Request:
        return self._find(request).describe()

    def delete(self, request: Request) -> Request:
        with self._lock:
            hosted = self._find(request)
            _refuse_unless(hosted.record.status not in IN_PROGRESS, hosted.record, "delete")
            hosted.begin("Deleting", lambda: self._delete(hosted))
        return {}

    def list_endpoints(self, request: Request) -> Request:
        listed = [
            hosted.record.summary() for hosted in list(self._hosted.values()) if _listed(hosted, request)
        ]
        key = {"Name": "EndpointName", "Status": "EndpointStatus"}.get(
            request.get("SortBy", ""), "CreationTime"
        )
        ordered = paging.order(listed, lambda item: item[key], request.get("SortOrder"), "Descending")
        shown, token = paging.page(ordered, request, default_size=10)
        return {"Endpoints": shown, **token}

    def serving(self, name: str) -> Hosted | None:
        """The endpoint that a request names. Called by `invocations` for each request."""
        return self._hosted.get(name)

    def tags(self, arn: str) -> list[dict[str, str]] | None:
        """The tags of an endpoint or configuration, to be changed in place; None when it is neither's."""
        of_endpoint = (hosted.record.tags for hosted in self._hosted.values() if hosted.record.arn == arn)
        return next(of_endpoint, None) if ":endpoint/" in arn else self.configs.tags(arn)

    def stop_all(self) -> None:
        """Ends all processes. Endpoints in service will be again when they are restored."""
        stopping = [threading.Thread(target=hosted.stop) for hosted in self._hosted.values()]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()
        self.metrics.flush()

    def snapshot(self) -> Request:
        records = [asdict(hosted.record) for hosted in self._hosted.values()]
        return {"configs": self.configs.snapshot(), "endpoints": records}

    def restore(self, saved: Request) -> None:
        """Takes back what `snapshot` gave, and starts the processes of what was in service."""
        self.configs.restore(saved.get("configs", {}))
        for fields in saved.get("endpoints", []):
            record = Endpoint(**{**fields, "pending": None})
            if record.status in IN_PROGRESS:  # its thread did not end in time
                record.failure_reason = INTERRUPTED
            if record.status == "Deleting":
                self._launcher.forget(record.name)
                continue
            hosted = self._hosted[record.name] = Hosted(record)
            if record.status == "Creating":
                record.status = "Failed"
            elif record.status != "Failed":
                record.status = "InService"  # on what it served before
                self._revive(hosted)

    def _revive(self, hosted: Hosted) -> None:
        record = hosted.record
        models = {variant: ServedModel(**model) for variant, model in record.models.items()}
        folder = Path(record.folder or "")
        hosted.fleet = self._launcher.revive(record.name, record.config, models, folder, hosted.instance_lost)
        hosted.traffic.split((hosted.fleet, 1.0))
        hosted.instance_lost()  # if one was lost before it was the endpoint's

    def _delete(self, hosted: Hosted) -> None:
        self._rollout(hosted).delete()
        with self._lock:
            del self._hosted[hosted.record.name]

    def _rollout(self, hosted: Hosted) -> Rollout:
        return Rollout(hosted, self._launcher, self.metrics, self._scale)

    def _config(self, name: str) -> Request:
        config = self.configs.find(name)
        return {key: config[key] for key in _KEPT if key in config}

    def _find(self, request: Request) -> Hosted:
        name = request["EndpointName"]
        if name not in self._hosted:
            raise ValidationError(f'Could not find endpoint "{self._prefix}:endpoint/{name}".')
        return self._hosted[name]


def _refuse_unless(possible: bool, record: Endpoint, verb: str) -> None:
    if record.status in IN_PROGRESS:
        raise ValidationError(f'Cannot update in-progress endpoint "{record.arn}".')
    if not possible:
        raise ValidationError(f'Cannot {verb} endpoint "{record.arn}" in status {record.status}.')


def _check_variants(old: Request, new: Request) -> None:
    """A blue/green deployment keeps the names of the variants."""
    before, after = (
        sorted(variant["VariantName"] for variant in config["ProductionVariants"]) for config in (old, new)
    )
    if before != after:
        raise ValidationError(
            "The new endpoint configuration must have the same variant names as the old one:"
            f" {', '.join(before)}, not {', '.join(after)}"
        )


def _instances(config: Request) -> int:
    return sum(variant["InitialInstanceCount"] for variant in config["ProductionVariants"])


def _listed(hosted: Hosted, request: Request) -> bool:
    record = hosted.record
    return (
        request.get("NameContains", "") in record.name
        and request.get("StatusEquals", record.status) == record.status
        and paging.within(record.created, request, "CreationTime")
        and paging.within(record.modified, request, "LastModifiedTime")
    )
