"""What happens to an endpoint's fleets when it is created, updated or deleted.

Runs in the endpoint's own thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from localcloud.sagemaker.hosting.alarms import AlarmsUnknown, Watch
from localcloud.sagemaker.hosting.endpoint import Pending
from localcloud.sagemaker.hosting.fleet import Fleet, LaunchFailed
from localcloud.sagemaker.hosting.hosted import Hosted
from localcloud.sagemaker.hosting.launch import Launcher
from localcloud.sagemaker.hosting.metrics import Metrics
from localcloud.sagemaker.hosting.policy import Policy, Step
from localcloud.sagemaker.models import ServedModel

LOOK_SECONDS = 0.1  # between two looks at the alarms
INTERRUPTED = "the local cloud was stopped meanwhile"

Config = dict[str, Any]


class RolledBack(Exception):
    """The new fleet is not to stay. The message is the reason."""


class Rollout:
    """Moves one endpoint from one fleet to the next."""

    def __init__(self, hosted: Hosted, launcher: Launcher, metrics: Metrics, wait_scale: float) -> None:
        self._hosted, self._launcher, self._metrics, self._scale = hosted, launcher, metrics, wait_scale
        self._name = hosted.record.name

    def create(self, models: Mapping[str, ServedModel]) -> None:
        """The first fleet: the endpoint becomes InService, or Failed."""
        hosted = self._hosted
        try:
            fleet = self._launch(hosted.record.config, models)
        except LaunchFailed as error:
            hosted.move("Failed", str(error))
            return
        hosted.fleet, hosted.green = fleet, None
        hosted.traffic.split((fleet, 1.0))
        hosted.move("InService", **_serves(fleet, models))
        hosted.instance_lost()  # if it was lost before it was the endpoint's

    def update(
        self, models: Mapping[str, ServedModel], policy: Policy, watch: Watch, deployment: Config | None
    ) -> None:
        """Blue to green. The endpoint ends InService: on the new configuration, or still on the old one."""
        hosted = self._hosted
        pending: Pending | None = hosted.record.pending
        blue = hosted.fleet
        if pending is None or blue is None:
            raise RuntimeError("an update begins with a pending configuration and a fleet")
        try:
            green = self._launch(pending.config, models)
            if hosted.stopping.is_set():
                raise RolledBack(INTERRUPTED)
            for step in policy.steps:
                self._shift(blue, green, step)
                self._bake(green, step, watch)
        except (RolledBack, LaunchFailed) as error:
            self._roll_back(blue, str(error))
            return
        hosted.progress("Deleting", f"Terminating {len(blue.instances)} instance(s) of the old fleet.", 1.0)
        blue.retire()
        hosted.fleet, hosted.green = green, None
        hosted.move("InService", config=pending.config, deployment=deployment, **_serves(green, models))
        hosted.instance_lost()

    def delete(self) -> None:
        """Nothing is routed to it any more; what is on its way is answered."""
        hosted = self._hosted
        hosted.traffic.split()
        for fleet in filter(None, (hosted.fleet, hosted.green)):
            fleet.retire()
        self._launcher.forget(self._name)

    def _launch(self, config: Config, models: Mapping[str, ServedModel]) -> Fleet:
        hosted = self._hosted
        count = sum(variant["InitialInstanceCount"] for variant in config["ProductionVariants"])
        hosted.progress("Creating", f"Launching {count} instance(s).", 0.0)
        fleet = hosted.green = self._launcher.launch(self._name, config, models, hosted.instance_lost)
        try:
            fleet.wait_until_healthy()
        except LaunchFailed as error:
            fleet.retire()
            raise LaunchFailed(INTERRUPTED if hosted.stopping.is_set() else str(error)) from error
        return fleet

    def _shift(self, blue: Fleet, green: Fleet, step: Step) -> None:
        message = f"Activating traffic on {step.capacity} capacity of {_instances(green, step)} instance(s)."
        self._hosted.progress("ActivatingTraffic", message, step.share)
        self._hosted.traffic.split((blue, 1.0 - step.share), (green, step.share))

    def _bake(self, green: Fleet, step: Step, watch: Watch) -> None:
        """Waits, and looks at the alarms first, last and all the time between. Raises `RolledBack`."""
        self._hosted.progress(
            "Baking",
            f"Baking for {step.wait_seconds} seconds ({step.wait_name}) with traffic enabled on"
            f" {step.capacity} capacity of {_instances(green, step)} instance(s).",
            step.share,
        )
        end = time.monotonic() + step.wait_seconds * self._scale
        while True:
            left = end - time.monotonic()
            self._look(green, watch)
            if left <= 0:
                return
            if self._hosted.stopping.wait(min(left, LOOK_SECONDS)):
                raise RolledBack(INTERRUPTED)

    def _look(self, green: Fleet, watch: Watch) -> None:
        self._metrics.flush()
        if green.broken:
            raise RolledBack(green.broken)
        try:
            tripped = watch.tripped()
        except AlarmsUnknown as error:
            raise RolledBack(str(error)) from error
        if tripped:
            raise RolledBack(f"CloudWatch alarms went off during the deployment: {', '.join(tripped)}")

    def _roll_back(self, blue: Fleet, reason: str) -> None:
        hosted, green = self._hosted, self._hosted.green
        target = hosted.record.pending.config["EndpointConfigName"] if hosted.record.pending else ""
        hosted.traffic.split((blue, 1.0))
        hosted.move("RollingBack")
        if green:
            hosted.progress("Deleting", f"Terminating {len(green.instances)} instance(s).", 0.0)
            green.retire()
        hosted.green = None
        hosted.move(
            "InService", f"The update to the endpoint configuration {target} was rolled back: {reason}"
        )


def _serves(fleet: Fleet, models: Mapping[str, ServedModel]) -> dict[str, Any]:
    """What the record keeps of a fleet, so that it can be started again."""
    return {"folder": str(fleet.folder), "models": {name: asdict(model) for name, model in models.items()}}


def _instances(fleet: Fleet, step: Step) -> int:
    return math.ceil(step.share * len(fleet.instances))
