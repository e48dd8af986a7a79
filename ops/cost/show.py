"""How costs look on a terminal. Data in, rich tables out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.table import Table

from ops.cost.estimate import MonthPart, RunCost
from ops.cost.prices import Line, Prices, price_file, total
from ops.cost.scale import Limit, Part
from ops.orphans import Orphan, age
from ops.render import plain_table

SERVICES = ("Glue", "SageMaker", "Step Functions", "Lambda")
"""Those with a column of their own."""


def headline(prices: Prices) -> str:
    return (
        f"{prices.region}, {price_file()['regions'][prices.region]} · prices of {prices.date} in "
        f"{price_file()['currency']}, without free tiers and taxes"
    )


def runs_table(runs: Iterable[RunCost], title: str) -> Table:
    table = plain_table(
        title, ">minutes", ">transitions", *(f">{name}" for name in SERVICES), ">other", ">USD"
    )
    for run in runs:
        own = [total(line for line in run.lines if line.service == name) for name in SERVICES]
        rest = run.usd - sum(own)
        cells = [f"{usd:.4f}" for usd in [*own, rest, run.usd]]
        table.add_row(run.kind.replace("_", " "), _minutes(run.seconds), str(run.transitions), *cells)
    return table


def lines_table(lines: Iterable[Line]) -> Table:
    table = plain_table("service", "what", ">quantity", "unit", ">USD")
    for line in lines:
        table.add_row(line.service, line.what, f"{line.quantity:.4f}", line.unit, f"{line.usd:.6f}")
    return table


def month_table(parts: Sequence[MonthPart]) -> Table:
    table = plain_table("a month", ">times", ">USD")
    for part in parts:
        table.add_row(part.what, "" if part.times is None else f"{part.times:.1f}", f"{part.usd:.2f}")
    table.add_row("together", "", f"{sum(part.usd for part in parts):.2f}")
    return table


def parts_table(parts: Iterable[Part]) -> Table:
    table = plain_table("kind", ">runs", "runs on", ">file MB", ">transitions", ">minutes", ">USD")
    for part in parts:
        first, *others = (f"{name}: {machine}" for name, machine in part.machines.items())
        table.add_row(
            part.kind.replace("_", " "),
            str(part.runs),
            first,
            f"{part.file_mb:,.1f}",
            f"{part.runs * part.cost.transitions:,}",
            _minutes(part.seconds),
            f"{part.usd:.3f}",
        )
        for other in others:
            table.add_row("", "", other, "", "", "", "")
    return table


def limits_table(limits: Iterable[Limit], rows: float) -> Table:
    """The narrowest first. A limit that so many rows break is marked."""
    table = plain_table(">million rows", "", "of", "limit", "what moves it")
    for limit in limits:
        mark = "too few" if limit.most_rows < rows else ""
        of = limit.of.replace("_", " ")
        table.add_row(f"{limit.most_rows / 1e6:,.0f}", mark, of, limit.what, limit.setting)
    return table


def orphans_table(found: Iterable[Orphan], now: datetime) -> Table:
    table = plain_table("kind", "name", "age", ">USD a month", "why")
    for orphan in found:
        usd = "not priced" if orphan.usd_a_month is None else f"{orphan.usd_a_month:.2f}"
        table.add_row(orphan.kind, orphan.name, age(orphan.created_at, now), usd, orphan.why)
    return table


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.1f}"
