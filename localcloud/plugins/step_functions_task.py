"""The task that Step Functions is executing: what runs inside it learns here when nobody wants it any more.

`step_functions` sets the current task; the integrations of `step_functions_sync` wait within it.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

POLL_SECONDS = 0.02


@dataclass
class Task:
    """A task state's attempt. `cancelled` is set when its time is over."""

    execution: dict[str, Any]
    timeout_seconds: float | None
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def abandoned(self) -> bool:
        return self.cancelled.is_set() or self.execution["status"] != "RUNNING"


current: contextvars.ContextVar[Task] = contextvars.ContextVar("localcloud_task")


def wait_for(ended: Callable[[float | None], bool], stop: Callable[[], None]) -> None:
    """Waits for a job; one whose task was abandoned is stopped first, as Step Functions does.

    `ended` waits at most the seconds it is given, or without end, and tells whether the job has ended.
    """
    task = current.get()
    while not ended(POLL_SECONDS):
        if task.abandoned:
            stop()
            ended(None)
