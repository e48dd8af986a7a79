"""Follows a run while it goes on: each state and pipeline step, with its time, as it happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live

from ops import render
from ops.history import History, Row, in_words, new_events
from ops.pipeline import Step, list_steps
from ops.target import Target

_PIPELINE_ENDS = {"Succeeded", "Failed", "Stopped"}


class View(Protocol):
    """Somewhere to show a run."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def update(self, history: History, steps: Sequence[Step]) -> None: ...


def watch(
    target: Target,
    execution_arn: str,
    console: Console,
    at_state: Mapping[str, Callable[[], object]] | None = None,
) -> History:
    """Shows the execution until it ends, and returns its whole history.

    A terminal gets a live table, anything else one line per change. Ctrl-C ends the watching only; the
    run goes on. `at_state` says what to do, once, when the run has come to a state.
    """
    view: View = LiveView(console) if console.is_terminal else PlainView(console)
    history, steps, waiting = History(), StepsReader(target), dict(at_state or {})
    with view:
        while True:
            fresh = new_events(target.client("stepfunctions"), execution_arn, history.last_event_id)
            history.apply(fresh)
            view.update(history, steps.read(history))
            if history.rows and history.rows[-1].running and history.rows[-1].name in waiting:
                waiting.pop(history.rows[-1].name)()
            if history.finished:
                return history
            time.sleep(target.poll_seconds)


class StepsReader:
    """The pipeline's steps, asked for only while the pipeline may still change."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._steps: Sequence[Step] = ()
        self._done = False

    def read(self, history: History) -> Sequence[Step]:
        training = history.data.get("training") or {}
        arn = training.get("pipeline_execution_arn")
        if arn and not self._done:
            self._done = history.finished or training.get("status") in _PIPELINE_ENDS
            self._steps = list_steps(self._target, arn)
        return self._steps


class LiveView:
    """A table that redraws itself, so times run on between two looks at the cloud."""

    def __init__(self, console: Console) -> None:
        self._shown: tuple[History, Sequence[Step]] = (History(), ())
        self._live = Live(self, console=console, refresh_per_second=10, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def update(self, history: History, steps: Sequence[Step]) -> None:
        self._shown = (history, steps)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        history, steps = self._shown
        yield render.progress(history.rows, steps, datetime.now(UTC))


class PlainView:
    """One line per change, for logs and pipes: `   1.2 s  PrepareData  done in 1.1 s`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def update(self, history: History, steps: Sequence[Step]) -> None:
        if not history.visits:
            return
        started = history.visits[0].entered_at
        for row in history.rows:
            self._say_row(row, started, over=history.finished or row is not history.rows[-1])
        for step in steps:
            self._say_step(step, started)

    def _say_row(self, row: Row, started: datetime, *, over: bool) -> None:
        """A line when work begins and one when it is over. What takes no time only gets the second.

        A wait only gets the first: it opens a loop, and whether that is over shows in what comes next.
        """
        if row.first.kind in ("Task", "Wait"):
            self._say(row.name, "started", (row.first.entered_at - started).total_seconds())
        if not over or row.last.exited_at is None or row.first.kind == "Wait":
            return
        self._say(row.name, _how_it_ended(row), (row.last.exited_at - started).total_seconds())

    def _say_step(self, step: Step, started: datetime) -> None:
        moment = step.ended_at or step.started_at or datetime.now(UTC)
        why = f": {render.step_note(step)}" if step.status == "Failed" else ""
        if step.ended_at and step.started_at:
            why = f" in {render.seconds((step.ended_at - step.started_at).total_seconds())}{why}"
        self._say(f"  {step.name}", f"{step.status}{why}", (moment - started).total_seconds())

    def _say(self, name: str, what: str, at: float) -> None:
        if (name, what) not in self._said:
            self._said.add((name, what))
            line = f"{render.seconds(max(at, 0.0)):>9}  {name:<22} {what}"
            self._console.print(line, markup=False, soft_wrap=True)


def _how_it_ended(row: Row) -> str:
    if row.first.kind in ("Succeed", "Fail"):
        return "the end"
    took = render.seconds(row.seconds(row.last.exited_at or row.first.entered_at))
    if row.failure is None:
        return f"done in {took}"
    said = in_words(row.failure)
    return f"failed after {took}: {said.error}: {said.cause}"
