"""`--input` of the commands that start a run: a file of `events/`, or one like it, and options that win."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.errors import UsageError

InputFile = Annotated[
    str | None,
    typer.Option(
        "--input", metavar="FILE|-", help="Execution input as JSON; options win over it.", show_default=False
    ),
]


def execution_input(source: str | None, options: Mapping[str, Any]) -> Any:
    """What `--input` and the other options say, which win. Raises `UsageError`."""
    return _with_options(_read(source), {key: value for key, value in options.items() if value is not None})


def fill_in(value: Any, data_bucket: str) -> Any:
    """`value` with `${DataBucket}` replaced in its texts, as the state machine's own file has it."""
    if isinstance(value, dict):
        return {key: fill_in(item, data_bucket) for key, item in value.items()}
    if isinstance(value, list):
        return [fill_in(item, data_bucket) for item in value]
    return value.replace("${DataBucket}", data_bucket) if isinstance(value, str) else value


def _read(source: str | None) -> Any:
    """The JSON of `--input`: a file, `-` for stdin, nothing for an empty input. Raises `UsageError`."""
    from ops.runs import parse_input

    if source is None:
        return {}
    if source == "-":
        return parse_input(sys.stdin.read(), "from stdin")
    try:
        text = Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--input {source} cannot be read: {error}.") from error
    return parse_input(text, source)


def _with_options(given: Any, chosen: Mapping[str, Any]) -> Any:
    if not chosen:
        return given
    if not isinstance(given, dict):
        raise UsageError(
            f"--input must be a JSON object when options such as {next(iter(chosen))} are given too."
        )
    return {**given, **chosen}
