"""An endpoint together with what runs for it."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any

from localcloud.sagemaker.hosting import events
from localcloud.sagemaker.hosting.endpoint import IN_PROGRESS, Endpoint, Pending
from localcloud.sagemaker.hosting.fleet import Fleet
from localcloud.sagemaker.hosting.traffic import Traffic
from localcloud.sagemaker.times import now
from localcloud.sagemaker.work import REASON_LENGTH

logger = logging.getLogger("localcloud.sagemaker")

INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
PATIENCE_SECONDS, STOP_SECONDS = 2.0, 10.0

Send = Callable[..., None]


class Hosted:
    """The record changes only here, under a lock; every change of status is an event."""

    def __init__(self, record: Endpoint, send: Send = events.send) -> None:
        self.record, self.traffic = record, Traffic()
        self.fleet: Fleet | None = None  # the one that the record describes
        self.green: Fleet | None = None  # the one that an update starts
        self.stopping = threading.Event()  # the cloud goes down: leave everything as it can be resumed
        self._send = send
        self._lock = threading.RLock()
        self._worker: threading.Thread | None = None

    def describe(self) -> dict[str, Any]:
        with self._lock:
            return self.record.describe()

    def begin(self, status: str, work: Callable[[], None], pending: Pending | None = None) -> None:
        """Enters a status of transition, and works in a thread of its own until it is left."""
        with self._lock:
            self.record.failure_reason, self.record.pending = None, pending
            self.move(status)
        context = contextvars.copy_context()  # MiniStack keeps the caller's account and region there
        name = f"endpoint-{self.record.name}"
        self._worker = threading.Thread(target=context.run, args=(self._run, work), name=name, daemon=True)
        self._worker.start()

    def move(self, status: str, reason: str | None = None, **changes: Any) -> None:
        """Changes the record in one go; `changes` are other fields of it."""
        with self._lock:
            for field, value in {**changes, "status": status}.items():
                setattr(self.record, field, value)
            if status not in IN_PROGRESS:
                self.record.pending = None
            if reason:
                self.record.failure_reason = reason[:REASON_LENGTH]
            self.record.modified = now()
            described = self.record.describe()
        self._send(events.STATE, described, self.record.tags)

    def progress(self, status: str, message: str, share: float) -> None:
        """The next stage of an update; `share` is what the new fleet gets of the traffic."""
        with self._lock:
            pending = self.record.pending
            if pending is None:
                return
            pending.status, pending.message, pending.share, pending.status_since = (
                status,
                message,
                share,
                now(),
            )
            described = self.record.describe()
        self._send(events.DEPLOYMENT, described, self.record.tags)

    def instance_lost(self) -> None:
        """An instance could not be kept alive. An update under way looks after its own fleet."""
        reason = self.fleet.broken if self.fleet else None
        if reason and self.record.ready:
            self.traffic.split()
            self.move("Failed", reason)

    def stop(self) -> None:
        """Ends all processes; what was under way ends as it can be resumed. The cloud goes down."""
        self.stopping.set()
        if self._worker:
            self._worker.join(PATIENCE_SECONDS)
            if self.green:  # it takes its time to load
                self.green.stop()
            self._worker.join(STOP_SECONDS)
        self.traffic.split()
        if self.fleet:
            self.fleet.stop()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            logger.exception("the endpoint %s broke the local SageMaker", self.record.name)
            self.move("Failed", INTERNAL)
