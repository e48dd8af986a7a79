"""`titanic promote`, `confirm`, `decline`: a model version on its way to prod, and the person at its gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.models import Version
from ops.commands.options import Env, Json, Profile, reach
from ops.output import Output, write_json

if TYPE_CHECKING:
    from ops.gate import Answer

RunId = Annotated[
    str,
    typer.Argument(metavar="RUN_ID|latest", help="Run id, execution name or ARN; latest: the one that runs."),
]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; kept with the run's record.")]


def promote(  # noqa: PLR0913, PLR0917 - typer takes each option as a parameter
    version: Version,
    canary_percent: Annotated[
        int | None,
        typer.Option(
            "--canary-percent",
            help="Share of prod's traffic that the new model gets first.",
            show_default=False,
        ),
    ] = None,
    bake_seconds: Annotated[
        int | None,
        typer.Option(
            "--bake-seconds",
            help="How long the alarms are watched after each step.",
            show_default=False,
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Watch the run until it ends.")] = True,
    as_json: Json = False,
    env: Env = "dev",
    profile: Profile = None,
) -> None:
    """Bring an approved model version to the prod endpoint.

    Deploys it to staging, tests it there, waits for a person (`titanic confirm`), then replaces prod's
    model step by step while alarms are watched. Approving a version starts a promotion by itself; this
    starts one by hand. Ctrl-C ends the watching, not the run.

    \b
    Examples:
        titanic promote 3
        titanic promote 3 --canary-percent 10 --bake-seconds 600
        titanic promote 3 --no-wait --json
    """
    from ops import registry, runs
    from ops.commands.following import follow

    out, there = reach(env, profile, as_json=as_json)
    options = {"canary_percent": canary_percent, "bake_seconds": bake_seconds}
    chosen = {key: value for key, value in options.items() if value is not None}
    arn = registry.find_version(there, version).arn
    wanted = {"model_package_arn": arn, "requested_by": there.identity["Arn"], **chosen}
    follow(out, there, runs.start_run(there, runs.PROMOTION, wanted, by="promote"), wait=wait)


def confirm(
    run_id: RunId, reason: Reason = None, as_json: Json = False, env: Env = "dev", profile: Profile = None
) -> None:
    """Let a promotion that waits at its gate go on to prod.

    \b
    Examples:
        titanic confirm 20261121-1a2b3c4d5e
        titanic confirm latest --reason "staging answers as it should"
    """
    from ops import gate

    out, there = reach(env, profile, as_json=as_json)
    _say(out, gate.answer(there, gate.find_waiting(there, run_id), reason, confirmed=True))


def decline(
    run_id: RunId, reason: Reason = None, as_json: Json = False, env: Env = "dev", profile: Profile = None
) -> None:
    """End a promotion that waits at its gate; prod stays as it is.

    \b
    Examples:
        titanic decline 20261121-1a2b3c4d5e --reason "not before the holidays"
    """
    from ops import gate

    out, there = reach(env, profile, as_json=as_json)
    _say(out, gate.answer(there, gate.find_waiting(there, run_id), reason, confirmed=False))


def _say(out: Output, answer: Answer) -> None:
    if out.as_json:
        write_json(answer.to_json())
        return
    out.note(answer_in_words(answer))
    out.note(f"next  titanic runs show {answer.run.run_id}")


def answer_in_words(answer: Answer) -> str:
    """What follows from an answer at the gate, and whose it was."""
    goes = "goes on to prod" if answer.confirmed else "is declined; prod stays as it is"
    return f"Promotion {answer.run.run_id} {goes}: said {answer.by} at {answer.at}."
