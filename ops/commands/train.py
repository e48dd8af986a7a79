"""`titanic train`: starts a training run and watches it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ops.commands.inputs import InputFile, execution_input, fill_in
from ops.commands.options import Env, Json, Profile, reach


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
    input_file: InputFile = None,
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
    given = execution_input(input_file, options)
    out, there = reach(env, profile, as_json=as_json)
    run = runs.start_run(there, runs.TRAINING, fill_in(given, there.names["data_bucket"]), by="train")
    follow(out, there, run, wait=wait)
