"""Runs one pipeline execution: each step in its own thread, as soon as the steps it needs have succeeded.

A failed step leaves those that need it undone; steps that do not depend on it still run. What a step
does is in `steps`; here is only the order, the stopping and the end.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from typing import Any, Protocol

from localcloud.sagemaker.definition import Definition, Step
from localcloud.sagemaker.execution import Execution, StepRecord
from localcloud.sagemaker.expressions import ExpressionError
from localcloud.sagemaker.steps import ExecutionScope, Services, StepFailed, StepStopped, StepWork

logger = logging.getLogger("localcloud.sagemaker")


class Listener(Protocol):
    """Told of each change of status, from the thread that made it (`events.Events`)."""

    def execution_changed(self, execution: Execution, previous: str | None) -> None: ...
    def step_changed(self, execution: Execution, step: StepRecord, previous: str | None) -> None: ...


class Executor:
    """One execution while it runs. `stop` may be called by any thread."""

    def __init__(
        self,
        execution: Execution,
        definition: Definition,
        services: Services,
        listener: Listener,
        scale: float,
    ) -> None:
        self.execution, self._definition = execution, definition
        self._services, self._listener, self._scale = services, listener, scale
        self._scope = ExecutionScope(execution, definition, services)
        self._changed = threading.Condition()
        self._running: dict[str, StepWork] = {}
        self._no_more = False  # stopped, or a Fail step was reached
        self._thread: threading.Thread | None = None
        limit = (execution.parallelism or {}).get("MaxParallelExecutionSteps")
        self._most = limit or len(definition.steps)

    def start(self) -> None:
        self._thread = self._spawn(self.run, self.execution.id)

    def wait(self, timeout: float | None = None) -> None:
        """Returns when the execution has ended."""
        if self._thread:
            self._thread.join(timeout)

    def run(self) -> None:
        """Blocks until nothing runs and nothing more can."""
        self._listener.execution_changed(self.execution, None)
        with self._changed:
            while True:
                for step in self._ready():
                    self._launch(step)
                if not self._running:
                    break
                self._changed.wait()
            previous = self.execution.status
            self._conclude()
        self._listener.execution_changed(self.execution, previous)

    def stop(self) -> None:
        """Starts nothing more and stops the jobs that run; the execution ends as `Stopped`."""
        with self._changed:
            if self.execution.status != "Executing":
                return
            self.execution.move_to("Stopping")
        self._listener.execution_changed(self.execution, "Executing")
        self._end_running()

    def _ready(self) -> list[Step]:
        if self._no_more or self.execution.status != "Executing":
            return []
        done = {name for name, record in self.execution.steps.items() if record.status == "Succeeded"}
        ready = [
            step
            for name, step in self._definition.steps.items()
            if name not in self.execution.steps and step.needs <= done and self._chosen(step)
        ]
        return ready[: self._most - len(self._running)]

    def _chosen(self, step: Step) -> bool:
        if step.branch is None:
            return True
        condition, outcome = step.branch
        return bool(self.execution.steps[condition].properties["Outcome"] == str(outcome))

    def _launch(self, step: Step) -> None:
        record = StepRecord(step.name, step.type, step.display_name, step.description)
        work = StepWork(step, record, self._scope, self._services, self._scale)
        self.execution.steps[step.name] = record
        self._running[step.name] = work
        self._spawn(lambda: self._run_step(work), f"{self.execution.id}-{step.name}")

    def _run_step(self, work: StepWork) -> None:
        record = work.record
        self._listener.step_changed(self.execution, record, None)
        record.status = "Executing"
        self._listener.step_changed(self.execution, record, "Starting")
        status, reason = self._attempt(work)
        previous = record.status
        if record.type == "Fail":
            self._no_more = True
            self._end_running()
        record.end(status, reason)
        self._listener.step_changed(self.execution, record, previous)
        with self._changed:
            del self._running[record.name]
            self.execution.modified = record.ended or self.execution.modified
            self._changed.notify_all()

    def _attempt(self, work: StepWork) -> tuple[str, str | None]:
        try:
            work.perform()
        except StepFailed as failure:
            return "Failed", str(failure)
        except StepStopped:
            return "Stopped", None
        except ExpressionError as error:
            return "Failed", f"ClientError: {error}"
        except Exception:
            logger.exception("step %s broke the pipeline executor", work.step.name)
            return "Failed", "InternalServerError: We encountered an internal error. Please try again."
        return "Succeeded", None

    def _end_running(self) -> None:
        with self._changed:
            running = list(self._running.values())
        for work in running:
            work.stop()

    def _conclude(self) -> None:
        failed = [record for record in self.execution.steps.values() if record.status == "Failed"]
        told = [record.failure_reason for record in failed if record.type == "Fail"]
        if self.execution.status == "Stopping":
            self.execution.move_to("Stopped")
        elif told:
            self.execution.move_to("Failed", told[0])
        elif failed:
            details = "; ".join(f"{record.name}: {record.failure_reason}" for record in failed)
            self.execution.move_to("Failed", f"Step failure: One or multiple steps failed. {details}")
        else:
            self.execution.move_to("Succeeded")

    def _spawn(self, target: Any, name: str) -> threading.Thread:
        # Each thread acts for the caller's account and region, which MiniStack keeps in context variables.
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(target,), name=f"pipeline-{name}", daemon=True)
        thread.start()
        return thread
