"""The instances that serve one endpoint configuration."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcloud.sagemaker.hosting.capture import Capture
from localcloud.sagemaker.hosting.instance import Instance, InstanceFailed
from localcloud.sagemaker.models import ServedModel

DRAIN_SECONDS = 65.0  # SageMaker gives a request 60


class LaunchFailed(Exception):
    """A fleet that does not start. The message is the endpoint's FailureReason."""


@dataclass
class Variant:
    """One production variant: copies of one model."""

    name: str
    model: ServedModel
    weight: float
    instances: Sequence[Instance]
    _turn: int = field(default=0, init=False)

    def next_instance(self) -> Instance:
        """The instances that live take turns. Called under the lock of `Traffic`."""
        living = [instance for instance in self.instances if instance.given_up is None] or self.instances
        self._turn = (self._turn + 1) % len(living)
        return living[self._turn]

    @property
    def broken(self) -> str | None:
        """Why none of its instances lives any more."""
        reasons = [instance.given_up for instance in self.instances]
        return reasons[0] if all(reasons) else None


class Fleet:
    """All variants of one configuration, running. `folder` holds what their processes read."""

    def __init__(
        self, config: dict[str, Any], variants: Sequence[Variant], folder: Path, capture: Capture | None
    ) -> None:
        self.config, self.variants, self.folder, self.capture = config, variants, folder, capture
        self._in_flight = 0
        self._changed = threading.Condition()

    @property
    def config_name(self) -> str:
        return str(self.config["EndpointConfigName"])

    @property
    def broken(self) -> str | None:
        """Why a variant has no instance any more: the endpoint's FailureReason."""
        reasons = ((variant.name, variant.broken) for variant in self.variants)
        return next((_unhealthy(name, words) for name, words in reasons if words), None)

    @property
    def instances(self) -> list[Instance]:
        return [instance for variant in self.variants for instance in variant.instances]

    def begin(self) -> None:
        """Before each request that this fleet is to answer; `end` after it."""
        with self._changed:
            self._in_flight += 1
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()

    def wait_until_asked(self, seconds: float) -> bool:
        """Returns when a request is on its way, or after so many seconds; whether one is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._in_flight > 0, seconds)

    def wait_until_healthy(self) -> None:
        """Raises `LaunchFailed` for the first instance that does not become healthy."""
        for variant in self.variants:
            for instance in variant.instances:
                try:
                    instance.wait_until_healthy()
                except InstanceFailed as error:
                    raise LaunchFailed(_unhealthy(variant.name, str(error))) from error

    def retire(self) -> None:
        """Lets the requests on their way finish, then ends the processes. It gets no new ones by now."""
        with self._changed:
            self._changed.wait_for(lambda: not self._in_flight, DRAIN_SECONDS)
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> None:
        """Ends the processes and delivers what was captured; the folder stays, for the next start."""
        stopping = [threading.Thread(target=instance.stop) for instance in self.instances]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()
        if self.capture:
            self.capture.close()


def _unhealthy(variant: str, words: str) -> str:
    return (
        f"The primary container for production variant {variant} did not pass the ping health check."
        f" Please check CloudWatch logs for this endpoint. ({words})"
    )
