"""Where a command's words go: results to stdout, everything else to stderr once `--json` is asked for."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from ops.target import Target


PIPE_WIDTH = 200


class Output:
    """The two streams of one invocation. rich is loaded when something is printed."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    @cached_property
    def result(self) -> Console:
        """What was asked for."""
        return _console(stderr=False)

    @cached_property
    def notes(self) -> Console:
        """What goes along with it: which cloud, progress."""
        return _console(stderr=True) if self.as_json else self.result

    def header(self, target: Target) -> None:
        """Says which cloud is talked to, before anything is shown or changed there."""
        self.notes.print(f"titanic · {target.label}", style="dim", markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        self.notes.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def working(self, what: str) -> Iterator[Callable[[str], None]]:
        """Yields what to call with each step of something that takes a moment."""
        started = time.monotonic()
        with self.notes.status(f"{what} …") as status:  # shows nothing where there is no terminal
            yield lambda step: status.update(f"{what}: {step} …")
        self.note(f"{what} took {time.monotonic() - started:.1f} s.")


def write_json(document: Any) -> None:
    """One JSON document, for programs."""
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")


def write_json_lines(documents: Iterable[Any]) -> None:
    """One JSON document a line, each written at once: the reader may be following."""
    for document in documents:
        sys.stdout.write(json.dumps(document, default=str) + "\n")
        sys.stdout.flush()


def _console(*, stderr: bool) -> Console:
    """A terminal's width is what fits on it; a file or a pipe has room for whole ids and names."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=PIPE_WIDTH)
