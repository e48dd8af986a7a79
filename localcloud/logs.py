"""CloudWatch log streams of the jobs that run here, written under the role that the job runs as."""

from __future__ import annotations

import threading
import time
from functools import cached_property
from typing import Any

from localcloud import credentials
from localcloud.settings import settings

STREAM_ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")


class LogStream:
    """Appends lines to one stream; its group and itself are made on the first line, as AWS does.

    Writes go straight into the Logs service of this process, so metric and subscription filters see
    them like any other `PutLogEvents`. A role that may not write leaves no log, and nothing says so.
    """

    def __init__(self, role_arn: str, group: str, stream: str) -> None:
        self._role_arn, self.group, self.stream = role_arn, group, stream
        self._made = False
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        from ministack.services import cloudwatch_logs

        name = {"logGroupName": self.group, "logStreamName": self.stream}
        with self._lock:
            if not self._allowed:
                return
            if not self._made:
                _existing_is_fine(cloudwatch_logs._create_log_group({"logGroupName": self.group}))
                _existing_is_fine(cloudwatch_logs._create_log_stream(name))
                self._made = True
            event = {"timestamp": int(time.time() * 1000), "message": line or " "}
            _refuse_failure(cloudwatch_logs._put_log_events(name | {"logEvents": [event]}))

    def close(self) -> None:
        """Nothing is buffered: a stream may be closed at any time, or never."""

    @cached_property
    def _allowed(self) -> bool:
        return _may(self._role_arn, "logs:CreateLogGroup", group_arn(self.group)) and may_write(
            self._role_arn, self.group, self.stream
        )


def may_write(role_arn: str, group: str, stream: str) -> bool:
    """Whether the role may make the stream in its group and write to it."""
    arn = f"{group_arn(group)}:log-stream:{stream}"
    return all(_may(role_arn, action, arn) for action in STREAM_ACTIONS)


def group_arn(group: str) -> str:
    here = settings()
    return f"arn:aws:logs:{here.region}:{here.account_id}:log-group:{group}"


def _may(role_arn: str, action: str, arn: str) -> bool:
    from ministack.core.iam_evaluator import enforce

    here = settings()
    if not here.enforce_iam:
        return True
    key = credentials.role_environment(role_arn, "logs")["AWS_ACCESS_KEY_ID"]
    return not enforce(key, action, "logs", here.region, resource_arn=arn)


def _existing_is_fine(response: tuple[int, Any, bytes]) -> None:
    if b"ResourceAlreadyExistsException" not in response[2]:
        _refuse_failure(response)


def _refuse_failure(response: tuple[int, Any, bytes]) -> None:
    status, _headers, body = response
    if status >= 400:
        raise RuntimeError(f"CloudWatch Logs refused a line: {body.decode(errors='replace')}")
