"""`titanic up` and `titanic down`: the local cloud, started, filled with the project, stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import EnforceIam, Env, Port
from ops.output import Output

if TYPE_CHECKING:
    from localcloud.control import Cloud

WATCH_SECONDS = 0.5


def up(
    port: Port = None,
    enforce_iam: EnforceIam = False,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return at once; `titanic down` stops it.")
    ] = False,
    env: Env = "dev",
) -> None:
    """Start the local cloud, with the project deployed.

    Without --detach it runs until Ctrl-C. What it holds is kept in .localcloud for the next time.

    \b
    Examples:
        titanic up
        titanic up --detach --port 4577
        titanic up --enforce-iam
    """
    from ops import local

    out = Output()
    with local.cloud(out, port=port, enforce_iam=enforce_iam) as started:
        out.note(started.words)
        there = local.target(started.cloud, env)
        local.deploy(there, out)
        local.provide_tables(there, out)
        started.keep = detach
        _say_how_to_use(out, started.cloud)
        if started.is_new and not detach:
            out.note("Ctrl-C stops it.")
            _wait_for_its_end(started.cloud)


def down() -> None:
    """Stop the local cloud; what it holds is kept.

    \b
    Examples:
        titanic down
    """
    from ops import local

    Output().note("The local cloud is stopped." if local.stop() else "No local cloud runs for this checkout.")


def _say_how_to_use(out: Output, cloud: Cloud) -> None:
    """The environment in which ordinary AWS tools talk to it."""
    from ops.names import project_file

    out.note("")
    out.note("For the AWS CLI, boto3 and Terraform:")
    out.note(f"  export AWS_ENDPOINT_URL={cloud.endpoint_url}")
    out.note("  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test")
    out.note(f"  export AWS_DEFAULT_REGION={project_file()['region']}")
    out.note("")
    out.note("next  titanic train    titanic runs    titanic down")


def _wait_for_its_end(cloud: Cloud) -> None:
    """Returns only by an exception: Ctrl-C, or the server having ended on its own."""
    from localcloud import control
    from ops.errors import OpsError

    while control.status(cloud.home):
        time.sleep(WATCH_SECONDS)
    raise OpsError(f"The local cloud has ended by itself; {cloud.home / 'server.log'} says why.")
