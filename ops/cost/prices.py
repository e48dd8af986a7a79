"""The price table: what AWS asks for, in one region, as of a date, with the source of each price."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ops.errors import PriceUnknown, RegionNotPriced

FILE = Path(__file__).with_name("prices.json")
SECONDS_OF_AN_HOUR = 3600


@dataclass(frozen=True)
class Line:
    """One line of a bill. `rate` is the price's key in prices.json."""

    service: str
    what: str
    quantity: float
    unit: str
    rate: str
    usd: float

    def times(self, factor: float) -> Line:
        return Line(self.service, self.what, self.quantity * factor, self.unit, self.rate, self.usd * factor)

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "quantity": round(self.quantity, 6), "usd": round(self.usd, 6)}


def total(lines: Iterable[Line]) -> float:
    return sum(line.usd for line in lines)


def merged(lines: Iterable[Line]) -> list[Line]:
    """Lines about the same thing at the same price become one, in the order of their first."""
    found: dict[tuple[str, str, str], Line] = {}
    for line in lines:
        key = (line.service, line.what, line.rate)
        before = found.get(key)
        sums = (before.quantity + line.quantity, before.usd + line.usd) if before else None
        found[key] = Line(line.service, line.what, sums[0], line.unit, line.rate, sums[1]) if sums else line
    return list(found.values())


@cache
def price_file() -> dict[str, Any]:
    """`prices.json` as it stands."""
    loaded: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return loaded


@dataclass(frozen=True)
class Prices:
    """The prices of one region. Raises `RegionNotPriced` for one that the table does not have."""

    region: str

    def __post_init__(self) -> None:
        priced = price_file()["regions"]
        if self.region not in priced:
            raise RegionNotPriced(
                f"There are no prices for region {self.region!r}: {FILE.name} of {self.date} has "
                f"{', '.join(priced)}. Name one of these with --region, or add a column to the file."
            )

    @property
    def date(self) -> str:
        return str(price_file()["date"])

    @property
    def hours_of_a_month(self) -> int:
        return int(price_file()["hours_of_a_month"])

    def usd(self, rate: str) -> float:
        return float(price_file()["rates"][rate]["usd"][self.region])

    def line(self, service: str, what: str, quantity: float, rate: str) -> Line:
        unit = str(price_file()["rates"][rate]["unit"])
        return Line(service, what, quantity, unit, rate, quantity * self.usd(rate))

    def instance_line(self, what: str, instance: str, seconds: float, count: int = 1) -> Line:
        """SageMaker bills an instance by the second."""
        hours = count * seconds / SECONDS_OF_AN_HOUR
        usd = hours * float(self.instance(instance)["usd"][self.region])
        return Line("SageMaker", what, hours, f"{instance} hour", instance, usd)

    def instance(self, name: str) -> Mapping[str, Any]:
        """Price and size of a type of instance. Raises `PriceUnknown`."""
        return _one_of("instances", name)

    def glue_worker(self, name: str) -> Mapping[str, Any]:
        """DPUs and size of a type of Glue worker. Raises `PriceUnknown`."""
        return _one_of("glue_workers", name)

    def unconfirmed(self, lines: Iterable[Line]) -> list[str]:
        """Rates among the lines that no source states for this region."""
        known = price_file()["rates"] | price_file()["instances"]
        return sorted({line.rate for line in lines if self.region not in known[line.rate]["stated_for"]})


def instances() -> Mapping[str, Mapping[str, Any]]:
    """Every priced type of instance, the smallest first."""
    found: Mapping[str, Mapping[str, Any]] = price_file()["instances"]
    return dict(sorted(found.items(), key=lambda item: int(item[1]["memory_gib"])))


def _one_of(kind: str, name: str) -> Mapping[str, Any]:
    known: Mapping[str, Mapping[str, Any]] = price_file()[kind]
    if name not in known:
        raise PriceUnknown(
            f"{FILE.name} has no price for {name}: it knows {', '.join(known)}. Add it to {kind!r} there, "
            "with its source."
        )
    return known[name]
