"""Which instance answers the next request of an endpoint.

Shares are kept exactly, not by chance: of a hundred requests a fleet with a tenth of the traffic gets ten,
evenly spread (smooth weighted round robin). A request is counted as its fleet's in the same moment as it is
routed, so a fleet that has lost its share and has nothing in flight will never be asked again.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from localcloud.sagemaker.hosting.fleet import Fleet, Variant
from localcloud.sagemaker.hosting.instance import Instance


class NoRoute(Exception):
    """Nobody answers: the endpoint has no fleet, or no variant of the name that was asked for."""


@dataclass
class _Route:
    fleet: Fleet
    variant: Variant
    weight: float
    credit: float = 0.0


@dataclass(frozen=True, slots=True)
class Lease:
    """A request's place. `done` gives it back."""

    fleet: Fleet
    variant: Variant
    instance: Instance

    def done(self) -> None:
        self.fleet.end()


class Traffic:
    """Requests come from the event loop, changes from a rollout's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._routes: list[_Route] = []

    def split(self, *shares: tuple[Fleet, float]) -> None:
        """Sets each fleet's share; the rest gets nothing. Within a fleet the variants' weights count."""
        routes = [
            _Route(fleet, variant, share * variant.weight / total)
            for fleet, share in shares
            if share and (total := sum(variant.weight for variant in fleet.variants))
            for variant in fleet.variants
        ]
        with self._lock:
            self._routes = routes

    def take(self, variant: str | None = None) -> Lease:
        """A place for one request; `variant` is the one that the caller insists on. Raises `NoRoute`."""
        with self._lock:
            routes = [route for route in self._routes if variant in (None, route.variant.name)]
            if not routes:
                raise NoRoute
            route = _next(routes)
            route.fleet.begin()
            return Lease(route.fleet, route.variant, route.variant.next_instance())


def _next(routes: Sequence[_Route]) -> _Route:
    for route in routes:
        route.credit += route.weight
    chosen = max(routes, key=lambda route: route.credit)
    chosen.credit -= sum(route.weight for route in routes)
    return chosen
