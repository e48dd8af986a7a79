"""Entry point of `titanic`, the operator's command: parses, runs, and turns every failure into words."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

from ops.commands import (
    alerts,
    cost,
    demo,
    drill,
    endpoints,
    logs,
    models,
    monitor,
    orphans,
    predict,
    promote,
    runs,
    schedule,
    train,
    up,
)
from ops.errors import ExitCode, OpsError

app = typer.Typer(
    name="titanic",
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def titanic(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="TITANIC_DEBUG", help="Show tracebacks.", show_default=False)
    ] = False,
) -> None:
    """Train, judge, use and look after the project's models: on the local cloud or on AWS.

    Which cloud: --profile NAME, else AWS_ENDPOINT_URL, else AWS credentials in the environment, else the
    local cloud that `titanic up` started. The first line a command prints says which it was.

    \b
    Exit codes:
        0    done
        1    the run failed, or the command could not do what was asked
        2    nothing broke, but there is no model to use: the run's was rejected, or none is approved
        3    no cloud: none chosen, none reachable, or no valid credentials
        64   the command line is wrong
        130  ended by Ctrl-C (143: by SIGTERM)

    \b
    First steps:
        titanic demo             everything, on this machine
        titanic up --detach      the local cloud, to try things on
        titanic train            one run
        titanic predict          predictions by the approved model
        titanic confirm latest   lets the approved model go to prod
    """


app.command()(up.up)
app.command()(up.down)
app.command()(demo.demo)
app.command()(train.train)
app.command()(predict.predict)
app.add_typer(runs.app, name="runs")
app.command()(models.models)
app.command()(models.approve)
app.command()(models.reject)
app.command()(promote.promote)
app.command()(promote.confirm)
app.command()(promote.decline)
app.command()(endpoints.endpoints)
app.command()(endpoints.invoke)
app.command()(endpoints.rollback)
app.command()(endpoints.cleanup)
app.command()(cost.cost)
app.command()(orphans.orphans)
app.command()(logs.logs)
app.command()(alerts.alerts)
app.command()(drill.drill)
app.command()(monitor.monitor)
app.add_typer(schedule.app, name="schedule")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and exits with a code of `ExitCode`."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a tick must not end a run's watching
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Runs the command; its exit code. What it raises is said on stderr."""
    debug = "--debug" in arguments or bool(os.environ.get("TITANIC_DEBUG"))
    # Accepted anywhere: it is added to a command that has just failed, at its end.
    words = [word for word in arguments if word != "--debug"]
    try:
        result = app(words, prog_name="titanic", standalone_mode=False)
        return int(result or ExitCode.OK)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return _reader_has_gone()
    except Exception as error:
        if debug:
            traceback.print_exc()
        return _say(error)


def _say(error: Exception) -> ExitCode:
    """The error as one paragraph on stderr; its exit code."""
    if isinstance(error, OpsError):
        print(f"titanic: {error}", file=sys.stderr)
        return error.exit_code
    if isinstance(error, typer.TyperException):
        return _say_usage(error)
    from ops.aws_errors import explain

    known = explain(error)
    if known:
        return _say(known)
    print(
        f"titanic: {type(error).__name__}: {error}. This is a mistake in the command itself; --debug shows "
        "where.",
        file=sys.stderr,
    )
    return ExitCode.FAILED


def _say_usage(error: typer.TyperException) -> ExitCode:
    context = getattr(error, "ctx", None)
    said = error.format_message()
    if context is not None and not said.startswith("Usage:"):  # asking for nothing gives the whole help
        print(context.get_usage(), file=sys.stderr)
    print(said, file=sys.stderr)
    return ExitCode.USAGE


def _reader_has_gone() -> ExitCode:
    """`titanic logs … | head`: nobody is left to tell, and closing stdout must not fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.FAILED


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM, or the terminal closing, ends a command as Ctrl-C does: what it started is stopped."""
    sys.exit(ExitCode.TERMINATED)
