"""Endpoints, configurations and models that nothing refers to: what they are, since when, what they cost.

An endpoint is referred to by a promotion (staging) or is prod; a configuration by an endpoint, or by the way
back of one; a model by a configuration that is not itself an orphan, by a transform that runs, or by being
the one that the next batch run predicts with. What is younger than a run that goes on may be that run's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from ops import endpoints, rollback, runs
from ops.cleanup import clean_up, delete_config, delete_model
from ops.cost.prices import Prices
from ops.endpoints import PROD, STAGING, Endpoint
from ops.errors import PriceUnknown, RegionNotPriced
from ops.target import Target

ENDPOINT, CONFIG, MODEL = KINDS = ("endpoint", "endpoint-config", "model")
"""In the order in which they are deleted."""
_UNFINISHED = ("InProgress", "Stopping")


@dataclass(frozen=True)
class Orphan:
    """One of them. `usd_a_month` is what its deletion saves; None where its instances have no price.

    `deletable` is whether `delete` would: what no promotion and no batch run made is a person's to delete.
    """

    kind: str
    name: str
    created_at: datetime
    why: str
    usd_a_month: float | None = 0.0
    deletable: bool = True

    @property
    def command(self) -> str:
        """Deletes it by hand."""
        if self.kind == ENDPOINT and self.deletable:
            return "titanic cleanup staging"
        return f"aws sagemaker delete-{self.kind} --{self.kind}-name {self.name}"

    def to_json(self, now: datetime) -> dict[str, Any]:
        return {
            **vars(self),
            "created_at": runs.iso(self.created_at),
            "age_days": round((now - self.created_at).total_seconds() / 86400, 2),
            "command": self.command,
        }


def find_orphans(target: Target) -> list[Orphan]:
    """All of them, in the order in which they are deleted, each kind the oldest first."""
    account = _Account(target)
    found = [*_endpoints(account), *_configs(account)]
    found += _models(account, {orphan.name for orphan in found if orphan.kind == CONFIG})
    return sorted(found, key=lambda orphan: (KINDS.index(orphan.kind), orphan.created_at, orphan.name))


def delete(target: Target, chosen: Sequence[Orphan]) -> list[Orphan]:
    """Deletes those of `chosen` that are orphans still, and says which it deleted.

    What a person made stays. Raises `EndpointBusy` where a promotion has begun meanwhile.
    """
    wanted = {(orphan.kind, orphan.name) for orphan in chosen if orphan.deletable}
    present = [orphan for orphan in find_orphans(target) if (orphan.kind, orphan.name) in wanted]
    for orphan in present:
        if orphan.kind == ENDPOINT:
            clean_up(target, orphan.name)
        elif orphan.kind == CONFIG:
            delete_config(target, orphan.name)
        else:
            delete_model(target, orphan.name)
    return present


@dataclass(frozen=True)
class _Account:
    """What is there, looked up once each."""

    target: Target

    @cached_property
    def endpoints(self) -> list[Endpoint]:
        return endpoints.list_endpoints(self.target)

    @cached_property
    def configs(self) -> list[Mapping[str, Any]]:
        """Of everybody: one of another name may refer to a model of the project."""
        return list(self._listed("list_endpoint_configs", "EndpointConfigs"))

    @cached_property
    def models(self) -> list[Mapping[str, Any]]:
        return list(self._listed("list_models", "Models"))

    @cached_property
    def running(self) -> list[runs.Run]:
        """Batch runs and promotions that go on: those that make models and configurations."""
        return [
            run for kind in (runs.BATCH_INFERENCE, runs.PROMOTION) for run in runs.running(self.target, kind)
        ]

    @property
    def promotes(self) -> bool:
        return any(run.kind == runs.PROMOTION for run in self.running)

    def may_be_a_runs(self, created_at: datetime) -> bool:
        return any(created_at >= run.started_at for run in self.running)

    def models_of(self, configs: Iterable[str]) -> set[str]:
        """Names of the models that these configurations serve."""
        with ThreadPoolExecutor(max_workers=8) as pool:
            found = pool.map(lambda name: endpoints.variants_of(self.target, name), configs)
            return {variant["ModelName"] for variants in found for variant in variants}

    def models_of_transforms(self) -> set[str]:
        """Names of the models with which something is predicted just now."""
        sagemaker = self.target.client("sagemaker")
        names = [
            job["TransformJobName"]
            for status in _UNFINISHED
            for job in self._listed("list_transform_jobs", "TransformJobSummaries", StatusEquals=status)
        ]
        return {sagemaker.describe_transform_job(TransformJobName=name)["ModelName"] for name in names}

    def _listed(self, operation: str, key: str, **asked: str) -> Iterator[Mapping[str, Any]]:
        for page in self.target.client("sagemaker").get_paginator(operation).paginate(**asked):
            yield from page[key]


def _endpoints(account: _Account) -> Iterator[Orphan]:
    names = account.target.names
    for endpoint in account.endpoints:
        if endpoint.name == names.endpoint(PROD) or endpoint.changing:
            continue
        of_promotions = endpoint.name == names.endpoint(STAGING)
        if not (of_promotions and account.promotes):
            why = "no promotion is under way" if of_promotions else "neither staging nor prod: no promotion's"
            usd = _usd_a_month(account.target, endpoint)
            yield Orphan(ENDPOINT, endpoint.name, endpoint.created_at, why, usd, of_promotions)


def _configs(account: _Account) -> Iterator[Orphan]:
    used = {name for endpoint in account.endpoints for name in (endpoint.config, endpoint.pending_config)}
    used |= {_way_back(account.target, endpoint) for endpoint in account.endpoints}
    prefix = account.target.names.endpoint("")
    for config in account.configs:
        name, created_at = config["EndpointConfigName"], config["CreationTime"]
        if name.startswith(prefix) and name not in used and not account.may_be_a_runs(created_at):
            why = "no endpoint is on it, none would go back to it"
            yield Orphan(CONFIG, name, created_at, why, deletable=name.startswith(_own(account.target)))


def _models(account: _Account, orphaned: set[str]) -> Iterator[Orphan]:
    kept = [each["EndpointConfigName"] for each in account.configs]
    used = account.models_of(name for name in kept if name not in orphaned)
    used |= account.models_of_transforms() | _next_of_batches(account.target)
    names, batch = account.target.names, _batch_model(account.target, "")
    group = f"{names['model_package_group']}-"  # of which the other environments have models too
    for model in account.models:
        name, created_at = model["ModelName"], model["CreationTime"]
        ours = name.startswith(batch) or (name.startswith(names.endpoint("")) and not name.startswith(group))
        if ours and name not in used and not account.may_be_a_runs(created_at):
            why = "no configuration in use and no transform refers to it"
            deletable = name.startswith((*_own(account.target), batch))
            yield Orphan(MODEL, name, created_at, why, deletable=deletable)


def _own(target: Target) -> tuple[str, ...]:
    """How the names begin that promotions give to configurations and models."""
    return tuple(f"{target.names.endpoint(stage)}-v" for stage in (STAGING, PROD))


def _way_back(target: Target, endpoint: Endpoint) -> str | None:
    """The configuration that a rollback of the endpoint would go to."""
    deployments = rollback.history_of(target, endpoint.name).deployments()
    entry = rollback.deployment_of(deployments, endpoint.config)
    return entry["previous_endpoint_config_name"] if entry else None


def _next_of_batches(target: Target) -> set[str]:
    """The model that the next batch run would predict with, if it has been made."""
    from ops import registry

    approved = registry.newest_approved(target)
    return {_batch_model(target, approved.rpartition("/")[2])} if approved else set()


def _batch_model(target: Target, version: str) -> str:
    """The name that state `CreateModel` gives to a version's model; of an empty version its beginning."""
    from functions.create_model.creation import model_name

    return model_name(f"{target.names['model_package_group']}/{version}", target.env)


def _usd_a_month(target: Target, endpoint: Endpoint) -> float | None:
    try:
        prices = Prices(target.region)
        seconds = prices.hours_of_a_month * 3600
        return prices.instance_line("endpoint", endpoint.instance, seconds, endpoint.count).usd
    except (PriceUnknown, RegionNotPriced):
        return None


def age(created_at: datetime, now: datetime) -> str:
    """`3 days`, `5 hours`, `12 minutes`."""
    seconds = (now - created_at).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return "less than a minute"
