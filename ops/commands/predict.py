"""`titanic predict`: starts a batch inference run and watches it."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.commands.inputs import InputFile, execution_input, fill_in
from ops.commands.options import Env, Json, Profile, reach


def predict(  # noqa: PLR0913, PLR0917 - typer takes each option as a parameter
    source_uri: Annotated[
        str | None,
        typer.Option(
            "--source-uri",
            help="Raw table or folder of tables, s3://… [default: raw/new_passengers/]",
            show_default=False,
        ),
    ] = None,
    drift_threshold: Annotated[
        float | None,
        typer.Option(
            "--drift-threshold",
            help="Population stability index from which on a warning is sent. [default: 0.2]",
            show_default=False,
        ),
    ] = None,
    input_file: InputFile = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Watch the run until it ends.")] = True,
    as_json: Json = False,
    env: Env = "dev",
    profile: Profile = None,
) -> None:
    """Score new passengers with the newest approved model.

    Starts a batch inference run and watches it to its end; Ctrl-C ends the watching, not the run. The
    predictions are complete once predictions/latest.json names them. Exit code 2 says that no model is
    approved. --input takes a batch-….json of events/: ${DataBucket} becomes the bucket's name.

    \b
    Examples:
        titanic predict
        titanic predict --source-uri s3://BUCKET/raw/new_passengers/2026-11-21.csv
        titanic predict --input events/batch-low-drift-threshold.json
        titanic predict --no-wait --json
    """
    from ops import runs
    from ops.commands.following import follow

    options = {"source_uri": source_uri, "drift_threshold": drift_threshold}
    given = execution_input(input_file, options)
    out, there = reach(env, profile, as_json=as_json)
    run = runs.start_run(
        there, runs.BATCH_INFERENCE, fill_in(given, there.names["data_bucket"]), by="predict"
    )
    follow(out, there, run, wait=wait)
