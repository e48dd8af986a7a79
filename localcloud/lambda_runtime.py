"""The process in which a Lambda function lives: imports its handler once, then answers invocations.

Started by `plugins/lambda_.py` with the function's unzipped code as working directory. Requests come
as JSON lines on one pipe and answers leave as JSON lines on another, so whatever the function prints
goes to its log alone. Errors are reported as AWS's Python runtime reports them: `errorType` is the
name of the exception's class, which is what a state machine's `Catch` matches.
"""

from __future__ import annotations

import importlib
import json
import os
import secrets
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TextIO

# Ends what one invocation wrote on each of the two streams, so that its log is whole when it is read.
END_OF_LOG = "\x00end-of-invocation"

Handler = Callable[[Any, "LambdaContext"], Any]


@dataclass(frozen=True)
class LambdaContext:
    """The context object of one invocation."""

    aws_request_id: str
    invoked_function_arn: str
    deadline: float
    function_name: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_FUNCTION_NAME"])
    function_version: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_FUNCTION_VERSION"])
    memory_limit_in_mb: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])
    log_group_name: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_LOG_GROUP_NAME"])
    log_stream_name: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_LOG_STREAM_NAME"])
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.time()) * 1000))


def load_handler(name: str) -> Handler:
    """`package.module.function` -> the function."""
    module, _, attribute = name.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module.replace("/", ".")), attribute)
    return handler


def error_body(error: BaseException) -> dict[str, Any]:
    """AWS's error payload for an exception."""
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


def answer(handler: Handler, request: dict[str, Any]) -> dict[str, Any]:
    """Runs one invocation: `{"body": …}`, with `"error": true` beside an error payload."""
    context = LambdaContext(
        aws_request_id=request["request_id"],
        invoked_function_arn=request["function_arn"],
        deadline=time.time() + request["timeout_seconds"],
    )
    os.environ["_X_AMZN_TRACE_ID"] = _unsampled_trace()
    try:
        body = handler(request["event"], context)
        json.dumps(body)  # a result that is no JSON is the function's error, not the channel's
    except Exception as error:
        traceback.print_exc()
        return {"body": error_body(error), "error": True}
    return {"body": body}


def _unsampled_trace() -> str:
    """A trace header as AWS gives each invocation. Nothing collects traces here, so it is not sampled."""
    return f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};Sampled=0"


def serve(requests: TextIO, responses: TextIO) -> None:
    """Answers until the requests end."""

    def send(message: dict[str, Any]) -> None:
        responses.write(json.dumps(message) + "\n")
        responses.flush()

    try:
        handler = load_handler(os.environ["_HANDLER"])
    except Exception as error:
        traceback.print_exc()
        send({"init": error_body(error) | {"errorType": _import_error_type(error)}})
        return
    send({"init": None})
    for line in requests:
        reply = answer(handler, json.loads(line))
        for stream in (sys.stdout, sys.stderr):
            print(END_OF_LOG, file=stream, flush=True)
        send(reply)


def _import_error_type(error: Exception) -> str:
    known: dict[type[Exception], str] = {
        ImportError: "Runtime.ImportModuleError",
        AttributeError: "Runtime.HandlerNotFound",
    }
    return next((name for kind, name in known.items() if isinstance(error, kind)), type(error).__name__)


def main() -> None:
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    with (
        os.fdopen(int(os.environ["_LOCALCLOUD_REQUESTS"]), encoding="utf-8") as requests,
        os.fdopen(int(os.environ["_LOCALCLOUD_RESPONSES"]), "w", encoding="utf-8") as responses,
    ):
        serve(requests, responses)


if __name__ == "__main__":
    main()
