"""`titanic cost`: what a run, a month and a number of rows cost on AWS, and what a finished run did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.commands.options import Env, Json, Profile, reach
from ops.errors import UsageError
from ops.output import Output, write_json

if TYPE_CHECKING:
    from ops.cost.prices import Line, Prices

RunId = Annotated[
    str | None, typer.Argument(metavar="[RUN_ID]", help="A finished run. Without it nothing is contacted.")
]
Region = Annotated[
    str | None,
    typer.Option("--region", help="Whose prices. [default: that of project.json]", show_default=False),
]
Rows = Annotated[
    float | None,
    typer.Option("--rows", help="Rows of a table, like 1e6: shape, limits, cost.", show_default=False),
]


def cost(  # noqa: PLR0913, PLR0917 - typer takes each option as a parameter
    run_id: RunId = None,
    rows: Rows = None,
    region: Region = None,
    as_json: Json = False,
    env: Env = "dev",
    profile: Profile = None,
) -> None:
    """Price a run and a month before anything is applied, a number of rows, or a finished run.

    Prices are on-demand list prices of ops/cost/prices.json, dated, each with its source. What runs on what
    is read from the files that Terraform reads; what no file says, how long things take, is in
    ops/cost/assumptions.json.

    \b
    Examples:
        titanic cost
        titanic cost --rows 1e9
        titanic cost 20261121-1a2b3c4d5e
        titanic cost --region us-east-1 --json
    """
    from ops.cost.prices import Prices
    from ops.names import project_file

    if rows is not None and (run_id or rows < 1):
        raise UsageError("--rows takes a number from 1 on, and no RUN_ID: a finished run has its own rows.")
    prices = Prices(region or str(project_file()["region"]))
    if run_id:
        _finished(run_id, prices, *reach(env, profile, as_json=as_json))
    elif rows is not None:
        _scale(rows, prices, Output(as_json=as_json))
    else:
        _estimate(prices, env, Output(as_json=as_json))


def _estimate(prices: Prices, env: str, out: Output) -> None:
    from ops.cost import show
    from ops.cost.assumptions import assumption_file
    from ops.cost.estimate import Estimator
    from ops.names import project_file

    if env not in project_file()["environments"]:
        raise UsageError(
            f"There is no environment {env!r}; project.json has {', '.join(project_file()['environments'])}."
        )
    estimator = Estimator(prices)
    runs, month = estimator.runs(), estimator.month()
    lines = [line for run in runs for line in run.lines] + [line for part in month for line in part.lines]
    if out.as_json:
        write_json(
            _of_prices(prices, lines)
            | {
                "env": env,
                "rows": int(estimator.rows),
                "runs": [run.to_json() for run in runs],
                "month": {
                    "parts": [part.to_json() for part in month],
                    "usd": round(sum(part.usd for part in month), 4),
                },
                "assumptions": assumption_file(),
            }
        )
        return
    out.note(f"titanic · {env} · {show.headline(prices)}\n")
    out.result.print(show.runs_table(runs, f"one run, {estimator.rows:,.0f} rows"))
    out.note("")
    out.result.print(show.month_table(month))
    out.note("")
    _note_sources(out, prices, lines)


def _scale(rows: float, prices: Prices, out: Output) -> None:
    from ops.cost import scale, show
    from ops.cost.facts import Facts

    parts, limits = scale.parts(rows, prices), scale.limits(Facts(), prices)
    lines = [line for part in parts for line in part.cost.lines]
    if out.as_json:
        write_json(
            _of_prices(prices, lines)
            | {
                "rows": int(rows),
                "parts": [part.to_json() for part in parts],
                "limits": [limit.to_json() for limit in limits],
            }
        )
        return
    out.note(f"titanic · {rows:,.0f} rows · {show.headline(prices)}\n")
    out.result.print(show.parts_table(parts))
    out.note("")
    out.result.print(show.limits_table(limits, rows))
    out.note("")
    _note_sources(out, prices, lines)


def _finished(run_id: str, prices: Prices, out: Output, there: Any) -> None:
    from ops.cost import show
    from ops.cost.finished import cost_of_run
    from ops.runs import find_run

    run = find_run(there, run_id)
    found = cost_of_run(there, run, prices)
    if out.as_json:
        write_json(
            {"run_id": run.run_id, "measured_on": "AWS" if there.is_aws else "local cloud"}
            | _of_prices(prices, found.lines)
            | found.to_json()
        )
        return
    out.note(f"{show.headline(prices)}\n")
    out.result.print(show.runs_table([found], run.run_id))
    out.note("")
    out.result.print(show.lines_table(found.lines))
    out.note("")
    if not there.is_aws:
        out.note(
            "The local cloud ran it: the seconds are this machine's, and loops went round more often. On AWS "
            "containers take minutes to start, and those are billed; `titanic cost` estimates them."
        )
    _note_sources(out, prices, found.lines)


def _of_prices(prices: Prices, lines: Sequence[Line]) -> dict[str, Any]:
    from ops.cost.prices import price_file

    return {
        "region": prices.region,
        "prices_of": prices.date,
        "currency": price_file()["currency"],
        "unconfirmed": prices.unconfirmed(lines),
    }


def _note_sources(out: Output, prices: Prices, lines: Sequence[Line]) -> None:
    unconfirmed = prices.unconfirmed(lines)
    if unconfirmed:
        out.note(
            f"No source states these for {prices.region}: {', '.join(unconfirmed)}. ops/cost/prices.json "
            "says what each price rests on, ops/cost/assumptions.json what each duration does."
        )
