"""CloudWatch log streams of the jobs that run here."""

from __future__ import annotations

import threading
import time
from typing import Any


class LogStream:
    """Appends lines to one stream; its group and itself are made on the first line, as AWS does.

    Writes go straight into the Logs service of this process, so metric and subscription filters see
    them like any other `PutLogEvents`.
    """

    def __init__(self, group: str, stream: str) -> None:
        self.group, self.stream = group, stream
        self._made = False
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        from ministack.services import cloudwatch_logs

        name = {"logGroupName": self.group, "logStreamName": self.stream}
        with self._lock:
            if not self._made:
                _existing_is_fine(cloudwatch_logs._create_log_group({"logGroupName": self.group}))
                _existing_is_fine(cloudwatch_logs._create_log_stream(name))
                self._made = True
            event = {"timestamp": int(time.time() * 1000), "message": line or " "}
            _refuse_failure(cloudwatch_logs._put_log_events(name | {"logEvents": [event]}))

    def close(self) -> None:
        """Nothing is buffered: a stream may be closed at any time, or never."""


def _existing_is_fine(response: tuple[int, Any, bytes]) -> None:
    if b"ResourceAlreadyExistsException" not in response[2]:
        _refuse_failure(response)


def _refuse_failure(response: tuple[int, Any, bytes]) -> None:
    status, _headers, body = response
    if status >= 400:
        raise RuntimeError(f"CloudWatch Logs refused a line: {body.decode(errors='replace')}")
