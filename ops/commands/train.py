"""`titanic train`: starts a training run and watches it."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.commands.options import Env, Json, Profile, reach
from ops.errors import UsageError


class Approval(StrEnum):
    """Who approves a model that passes every gate: a person, or the run itself."""

    manual = "manual"
    auto = "auto"


def train(  # noqa: PLR0913, PLR0917 - typer takes each option as a parameter
    source_uri: Annotated[
        str | None,
        typer.Option("--source-uri", help="Raw table or folder of tables, s3://…", show_default=False),
    ] = None,
    code_bundle_uri: Annotated[
        str | None,
        typer.Option("--code-bundle-uri", help="Training code to use, s3://….tar.gz", show_default=False),
    ] = None,
    accuracy_threshold: Annotated[
        float | None, typer.Option("--accuracy-threshold", help="Least accuracy.", show_default=False)
    ] = None,
    f1_threshold: Annotated[
        float | None, typer.Option("--f1-threshold", help="Least F1.", show_default=False)
    ] = None,
    auc_threshold: Annotated[
        float | None,
        typer.Option("--auc-threshold", help="Least area under the ROC curve.", show_default=False),
    ] = None,
    approval: Annotated[
        Approval | None,
        typer.Option(
            "--approval", help="Who approves a passing model. [default: manual]", show_default=False
        ),
    ] = None,
    input_file: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="FILE|-",
            help="Execution input as JSON; options win over it.",
            show_default=False,
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Watch the run until it ends.")] = True,
    as_json: Json = False,
    env: Env = "dev",
    profile: Profile = None,
) -> None:
    """Start a training run and watch it to its end.

    The input goes to the state machine as it is: what the machine does not know, it refuses by name. Only
    ${DataBucket}, which the inputs in events/ have, is replaced by the bucket's name. Ctrl-C ends the
    watching, not the run. Exit code 2 says that the model was rejected.

    \b
    Examples:
        titanic train
        titanic train --accuracy-threshold 0.8 --approval auto
        titanic train --input events/training-high-f1-threshold.json
        echo '{"approval": "auto"}' | titanic train --input - --json
    """
    from ops import runs
    from ops.commands.following import follow

    options = {
        "source_uri": source_uri,
        "code_bundle_uri": code_bundle_uri,
        "accuracy_threshold": accuracy_threshold,
        "f1_threshold": f1_threshold,
        "auc_threshold": auc_threshold,
        "approval": approval.value if approval else None,
    }
    execution_input = compose_input(read_input(input_file), options)
    out, there = reach(env, profile, as_json=as_json)
    run = runs.start_run(
        there, runs.TRAINING, fill_in(execution_input, there.names["data_bucket"]), by="train"
    )
    follow(out, there, run, wait=wait)


def read_input(source: str | None) -> Any:
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


def compose_input(given: Any, options: dict[str, Any]) -> Any:
    """`given` with the options that were set. Raises `UsageError` when there is nothing to set them in."""
    chosen = {key: value for key, value in options.items() if value is not None}
    if not chosen:
        return given
    if not isinstance(given, dict):
        raise UsageError(
            f"--input must be a JSON object when options such as {next(iter(chosen))} are given too."
        )
    return {**given, **chosen}


def fill_in(value: Any, data_bucket: str) -> Any:
    """`value` with `${DataBucket}` replaced in its texts, as the state machine's own file has it."""
    if isinstance(value, dict):
        return {key: fill_in(item, data_bucket) for key, item in value.items()}
    if isinstance(value, list):
        return [fill_in(item, data_bucket) for item in value]
    return value.replace("${DataBucket}", data_bucket) if isinstance(value, str) else value
