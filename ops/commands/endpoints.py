"""`titanic endpoints`, `invoke`, `rollback`, `cleanup`: what answers in real time, asked and looked after."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ops.commands.options import Env, Json, Profile, reach
from ops.errors import UsageError
from ops.output import write_json

Name = Annotated[str, typer.Argument(metavar="ENDPOINT", help="prod, staging, or an endpoint's whole name.")]


class Removable(StrEnum):
    """What `titanic cleanup` may remove: what nobody relies on."""

    staging = "staging"


def endpoints(as_json: Json = False, env: Env = "dev", profile: Profile = None) -> None:
    """List the endpoints: status, model version, instances.

    \b
    Examples:
        titanic endpoints
        titanic endpoints --json
    """
    from ops import render
    from ops.endpoints import list_endpoints

    out, there = reach(env, profile, as_json=as_json)
    found = list_endpoints(there)
    if as_json:
        write_json([endpoint.to_json() for endpoint in found])
    elif found:
        out.result.print(render.endpoints_table(found))
        for endpoint in found:
            if endpoint.failure:
                out.note(f"{endpoint.name}: {endpoint.failure}")
    else:
        out.note(
            "No endpoint. `titanic promote VERSION` makes them; each costs money as long as it is there."
        )


def invoke(  # noqa: PLR0913, PLR0917 - typer takes each option as a parameter
    endpoint: Name,
    body: Annotated[
        str | None, typer.Option("--body", help="Passengers as CSV, one a line.", show_default=False)
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--file", metavar="FILE|-", help="The same from a file; .json is sent as JSON."),
    ] = None,
    json_body: Annotated[
        str | None, typer.Option("--json-body", help="Passengers as JSON.", show_default=False)
    ] = None,
    as_json: Json = False,
    env: Env = "dev",
    profile: Profile = None,
) -> None:
    """Ask an endpoint for the probability that passengers survive.

    The features are those of contracts/titanic.json in their order, encoded, without a header; a blank is
    a missing value. The answer has one probability a line.

    \b
    Examples:
        titanic invoke prod --body 3,0,22,1,0,7.25,2
        titanic invoke staging --file passengers.csv
        titanic invoke prod --json-body '{"instances": [{"features": [1, 1, 38, 1, 0, 71.28, 0]}]}'
    """
    from ops.endpoints import endpoint_name
    from ops.endpoints import invoke as ask

    payload, content_type = question(body, file, json_body)
    out, there = reach(env, profile, as_json=as_json)
    name = endpoint_name(there, endpoint)
    answer = ask(there, name, payload, content_type)
    if as_json:
        write_json({"endpoint": name} | answer.to_json())
        return
    out.result.print(answer.body.rstrip("\n"), markup=False)
    out.note(f"{name} answered in {answer.seconds * 1000:.0f} ms.")


def question(body: str | None, file: str | None, json_body: str | None) -> tuple[bytes, str]:
    """What is sent, and as what. Raises `UsageError` unless exactly one of the three says something."""
    if sum(given is not None for given in (body, file, json_body)) != 1:
        raise UsageError("Say what to ask: one of --body, --file and --json-body.")
    payload, content_type = _payload(body, file, json_body)
    if not payload.strip():  # the container would answer it, with nothing
        raise UsageError("There is nothing to ask: give the features of at least one passenger.")
    return payload, content_type


def _payload(body: str | None, file: str | None, json_body: str | None) -> tuple[bytes, str]:
    from ops.endpoints import CSV, JSON

    if file is not None:
        return _read(file), JSON if file.endswith(".json") else CSV
    if json_body is None:
        return (body or "").replace("\\n", "\n").encode(), CSV
    try:
        json.loads(json_body)
    except json.JSONDecodeError as error:
        raise UsageError(f"--json-body is not JSON: {error.msg} in column {error.colno}.") from error
    return json_body.encode(), JSON


def rollback(
    endpoint: Name,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why; recorded, and told to everybody.")
    ] = None,
    as_json: Json = False,
    env: Env = "dev",
    profile: Profile = None,
) -> None:
    """Put an endpoint back on what it served before, and wait until it does.

    What it served is recorded at each deployment. No request is lost: the old model stands beside the new
    one before it takes over. The rollback is recorded, and an alert tells of it.

    \b
    Examples:
        titanic rollback prod --reason "half of the passengers get 0.5"
    """
    from ops.endpoints import endpoint_name
    from ops.rollback import roll_back

    out, there = reach(env, profile, as_json=as_json)
    name = endpoint_name(there, endpoint)
    with out.working(f"Rolling back {name}"):
        done = roll_back(there, name, reason)
    if as_json:
        write_json(done.to_json())
        return
    out.note(done.words)


def cleanup(
    endpoint: Annotated[Removable, typer.Argument(metavar="staging", help="Only staging can be removed.")],
    as_json: Json = False,
    env: Env = "dev",
    profile: Profile = None,
) -> None:
    """Remove the staging endpoint, which a promotion that was stopped may have left.

    \b
    Examples:
        titanic cleanup staging
    """
    from ops.cleanup import clean_up

    out, there = reach(env, profile, as_json=as_json)
    name = there.names.endpoint(endpoint.value)
    removed = clean_up(there, name)
    if as_json:
        write_json({"endpoint": name, "removed": removed})
        return
    out.note(f"Removed: {', '.join(removed)}." if removed else f"Nothing to do: there is no endpoint {name}.")


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"--file {file} cannot be read: {error}.") from error
