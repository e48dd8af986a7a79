"""What several commands share: their options, and reaching the cloud those options choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ops.output import Output

if TYPE_CHECKING:
    from ops.target import Target

Env = Annotated[str, typer.Option("--env", envvar="TITANIC_ENV", help="Environment of project.json.")]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile", help="AWS profile to use, even while a local cloud is running.", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout; everything else goes to stderr.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; kept with the version in the registry.")]
Port = Annotated[
    int | None,
    typer.Option(
        "--port",
        min=1,
        max=65535,
        help="Port to listen on. [default: 4566, or a free one]",
        show_default=False,
    ),
]
EnforceIam = Annotated[
    bool, typer.Option("--enforce-iam", help="Judge every call by its role's policies, as AWS does.")
]


def reach(env: str, profile: str | None, *, as_json: bool = False) -> tuple[Output, Target]:
    """The cloud to work on, named in the first line of the output. Raises `NoCloud`, `UsageError`."""
    from ops import target

    out = Output(as_json=as_json)
    there = target.connect(env, profile)
    out.header(there)
    return out, there
