"""What MiniStack waits for without need.

- An execution starts with 0.15 s of sleep, so that StartExecution answers before the execution ends; on AWS
  too it may have ended by then, and no client may rely on it.
- A ReceiveMessage that waits for a message looks for one every 0.1 s: as long may an alert take.

Registration points: the names `stepfunctions.time` and `sqs.asyncio`, behind which each module sleeps.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

START_DELAY_SECONDS = 0.15  # as it stands in `stepfunctions._run_execution`
LOOK_SECONDS = 0.02


class EngineTime:
    """The module `time` for the Step Functions engine: its start-up delay takes no time."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    @staticmethod
    def sleep(seconds: float) -> None:
        if seconds != START_DELAY_SECONDS:
            time.sleep(seconds)


class QueueAsyncio:
    """The module `asyncio` for queues: looks for messages more often."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    @staticmethod
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(min(seconds, LOOK_SECONDS))


def install() -> None:
    from ministack.services import sqs, stepfunctions

    stepfunctions.time = EngineTime()
    sqs.asyncio = QueueAsyncio()
