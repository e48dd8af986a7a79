"""Lambda invocations: the deployed zip in a process of its own, errors as AWS reports them.

MiniStack's own warm worker reports every exception as `Runtime.HandlerError`; a state machine that
catches `InvalidInput` would never see it. It also gives the function the server's whole environment,
and writes the log of a function whose role may not. Registration points: `lambda_svc._execute_function_warm`,
`_emit_lambda_logs`.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import select
import shutil
import sys
import tempfile
import threading
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localcloud import credentials, logs, processes
from localcloud.forkserver.client import LibrarySet
from localcloud.lambda_runtime import END_OF_LOG

logger = logging.getLogger("localcloud.lambda")

# What handlers import. Powertools looks at the variable when loaded and puts it into the user agent, so a
# function of another runtime gets an interpreter of its own.
FUNCTION_LIBRARIES = LibrarySet(
    "functions",
    ("boto3.s3.transfer", "pydantic", "aws_lambda_powertools"),
    {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"},
)
RUNTIME = Path(__file__).resolve().parent.parent / "lambda_runtime.py"
INIT_TIMEOUT_SECONDS = 30.0
LOG_PATIENCE_SECONDS = 0.25  # a killed function never ends its log


class InvocationFailed(Exception):
    """The environment could not answer: `body` is the error payload the caller gets."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.body = {"errorType": error_type, "errorMessage": message}


class Environment:
    """One execution environment: a process that holds the imported function, used by one call at a time."""

    def __init__(self, config: dict[str, Any], code_zip: bytes) -> None:
        self.config = config
        self.name = str(config["FunctionName"])
        self._log: list[str] = []
        self._log_complete = threading.Semaphore(0)
        self._code = Path(tempfile.mkdtemp(prefix=f"lambda-{self.name}-"))
        _unzip(code_zip, self._code)
        request_read, request_write = os.pipe()
        response_read, response_write = os.pipe()
        spec = processes.ProcessSpec(
            name=self.name,
            argv=(sys.executable, "-I", "-u", str(RUNTIME)),  # -I: its own folder is no place to import from
            env=self._environment(request_read, response_write),
            cwd=self._code,
            on_line=self._keep_line,
            pass_fds=(request_read, response_write),
            libraries=FUNCTION_LIBRARIES,
        )
        self._process = processes.start(spec)
        os.close(request_read)
        os.close(response_write)
        self._requests = os.fdopen(request_write, "w", encoding="utf-8")
        self._responses = response_read
        self._pending = b""
        self._ready = False

    @property
    def alive(self) -> bool:
        return self._process.alive

    def invoke(self, event: Any, request_id: str) -> dict[str, Any]:
        """One invocation: `{"body", "error"?}`. Raises `InvocationFailed` when there is no answer."""
        timeout = float(self.config.get("Timeout", 3))
        self._initialise()
        request = {
            "event": event,
            "request_id": request_id,
            "function_arn": self.config.get("FunctionArn", ""),
            "timeout_seconds": timeout,
        }
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()
        message = f"{request_id} Task timed out after {timeout:.2f} seconds"
        return self._receive(timeout, InvocationFailed("Sandbox.Timedout", message))

    def take_log(self) -> str:
        """What the function wrote during the invocation that was just answered."""
        for _stream in ("stdout", "stderr"):
            self._log_complete.acquire(timeout=LOG_PATIENCE_SECONDS)
        lines, self._log = self._log, []
        return "\n".join(lines)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._requests.close()  # the runtime ends when its requests do
            os.close(self._responses)
        self._process.stop()
        shutil.rmtree(self._code, ignore_errors=True)

    def _initialise(self) -> None:
        if self._ready:
            return
        failed = self._receive(
            INIT_TIMEOUT_SECONDS, InvocationFailed("Sandbox.Timedout", "the function's import took too long")
        )["init"]
        if failed:
            raise InvocationFailed(failed["errorType"], failed["errorMessage"])
        self._ready = True

    def _receive(self, timeout: float, late: InvocationFailed) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._responses], [], [], left)[0]:
                raise late
            chunk = os.read(self._responses, 1 << 16)
            if not chunk:
                words = self._process.wait().words
                raise InvocationFailed(
                    "Runtime.ExitError", f"Runtime exited without providing a reason: {words}"
                )
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _environment(self, requests: int, responses: int) -> dict[str, str]:
        config = self.config
        return {
            **processes.base_environment(),
            **config.get("Environment", {}).get("Variables", {}),
            **credentials.role_environment(config["Role"], self.name),
            "_HANDLER": config["Handler"],
            "_LOCALCLOUD_REQUESTS": str(requests),
            "_LOCALCLOUD_RESPONSES": str(responses),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime', 'python3.13')}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": config.get("Version", "$LATEST"),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"local/{self._code.name}",
            "LAMBDA_TASK_ROOT": str(self._code),
        }

    def _keep_line(self, line: str) -> None:
        if line == END_OF_LOG:
            self._log_complete.release()
        else:
            self._log.append(line)


class Environments:
    """The warm environments of all functions; an idle one of the same configuration is used again."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str], list[Environment]] = defaultdict(list)
        self._lock = threading.Lock()

    def take(self, config: dict[str, Any], code_zip: bytes) -> Environment:
        key = _version_key(config)
        with self._lock:
            self._drop_other_versions(key)
            while self._idle[key]:
                environment = self._idle[key].pop()
                if environment.alive:
                    return environment
                environment.close()
        return Environment(config, code_zip)

    def give_back(self, environment: Environment) -> None:
        with self._lock:
            self._idle[_version_key(environment.config)].append(environment)

    def close(self) -> None:
        with self._lock:
            for environments in self._idle.values():
                for environment in environments:
                    environment.close()
            self._idle.clear()

    def _drop_other_versions(self, key: tuple[str, str]) -> None:
        for other in [k for k in self._idle if k[0] == key[0] and k != key]:
            for environment in self._idle.pop(other):
                environment.close()


environments = Environments()


def execute(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
    """Stands in for MiniStack's warm executor: `{"body", "error"?, "log"}`."""
    config = func.get("config") or func
    try:
        environment = environments.take(config, func["code_zip"])
    except (OSError, zipfile.BadZipFile) as error:
        logger.exception("no environment for %s", config["FunctionName"])
        return {
            "body": InvocationFailed("Runtime.InvalidEntrypoint", str(error)).body,
            "error": True,
            "log": "",
        }
    try:
        result = environment.invoke(event, request_id)
    except InvocationFailed as failure:
        environment.close()
        return {"body": failure.body, "error": True, "log": environment.take_log()}
    result["log"] = environment.take_log()
    environments.give_back(environment)
    return result


def emit_logs(original: Callable[..., None]) -> Callable[..., None]:
    """A function whose role may not write its log leaves none. MiniStack makes a group that is missing."""

    def emit(func: dict[str, Any], request_id: str, *arguments: Any, **named: Any) -> None:
        config = func.get("config") or func
        if logs.may_write(config["Role"], f"/aws/lambda/{config['FunctionName']}", request_id):
            original(func, request_id, *arguments, **named)

    return emit


def install() -> None:
    from ministack.services import lambda_svc

    lambda_svc._execute_function_warm = execute
    lambda_svc._emit_lambda_logs = emit_logs(lambda_svc._emit_lambda_logs)


def _version_key(config: dict[str, Any]) -> tuple[str, str]:
    """Name, and everything whose change AWS answers with a fresh environment."""
    parts = [
        config.get(key) for key in ("CodeSha256", "Handler", "Role", "Timeout", "MemorySize", "Environment")
    ]
    return str(config["FunctionName"]), json.dumps(parts, sort_keys=True, default=str)


def _unzip(code_zip: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(code_zip)) as archive:
        archive.extractall(folder)  # nosec B202 - zipfile itself drops `..` and absolute paths
