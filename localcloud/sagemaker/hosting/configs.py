"""Endpoint configurations.

Kept here and not by moto, which replaces an existing one silently and knows only old types of instances.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from localcloud.sagemaker import paging
from localcloud.sagemaker.errors import ValidationError, not_here
from localcloud.sagemaker.times import now

Request = dict[str, Any]

# Members that would change what an endpoint does, and that nothing here does.
_REFUSED = ("AsyncInferenceConfig", "ExplainerConfig", "ShadowProductionVariants")
_REFUSED_OF_VARIANTS = ("ServerlessConfig", "ManagedInstanceScaling", "InstancePools", "AcceleratorType")
_NEEDED_OF_VARIANTS = ("ModelName", "InitialInstanceCount", "InstanceType")


class EndpointConfigs:
    """Their operations. `find_model` raises `ValidationError` for a model that is not there."""

    def __init__(self, prefix: str, find_model: Callable[[str], Any]) -> None:
        self._prefix, self._find_model = prefix, find_model
        self._configs: dict[str, Request] = {}
        self._lock = threading.Lock()

    def create(self, request: Request) -> Request:
        name, variants = request["EndpointConfigName"], request["ProductionVariants"]
        for member in _REFUSED:
            if member in request:
                raise not_here(member)
        for variant in variants:
            _check_variant(variant)
            self._find_model(variant["ModelName"])
        if len({variant["VariantName"] for variant in variants}) < len(variants):
            raise ValidationError("The VariantNames of an endpoint configuration must be unique")
        arn = f"{self._prefix}:endpoint-config/{name}"
        with self._lock:
            if name in self._configs:
                raise ValidationError(f'Cannot create already existing endpoint configuration "{arn}".')
            self._configs[name] = {"Tags": [], **request, "EndpointConfigArn": arn, "CreationTime": now()}
        return {"EndpointConfigArn": arn}

    def describe(self, request: Request) -> Request:
        config = self.find(request["EndpointConfigName"])
        return {key: value for key, value in config.items() if key != "Tags"}

    def delete(self, request: Request) -> Request:
        """Also while an endpoint uses it, which has its own copy, as on AWS."""
        with self._lock:
            self.find(request["EndpointConfigName"])
            del self._configs[request["EndpointConfigName"]]
        return {}

    def list_configs(self, request: Request) -> Request:
        configs = [
            {key: config[key] for key in ("EndpointConfigName", "EndpointConfigArn", "CreationTime")}
            for config in list(self._configs.values())
            if request.get("NameContains", "") in config["EndpointConfigName"]
            and paging.within(config["CreationTime"], request, "CreationTime")
        ]
        key = "EndpointConfigName" if request.get("SortBy") == "Name" else "CreationTime"
        ordered = paging.order(configs, lambda config: config[key], request.get("SortOrder"), "Descending")
        shown, token = paging.page(ordered, request, default_size=10)
        return {"EndpointConfigs": shown, **token}

    def find(self, name: str) -> Request:
        """Raises `ValidationError`."""
        if name not in self._configs:
            arn = f"{self._prefix}:endpoint-config/{name}"
            raise ValidationError(f'Could not find endpoint configuration "{arn}".')
        return self._configs[name]

    def tags(self, arn: str) -> list[dict[str, str]] | None:
        """The tags of one of these configurations, to be changed in place; None when the ARN is of none."""
        return next(
            (config["Tags"] for config in self._configs.values() if config["EndpointConfigArn"] == arn), None
        )

    def snapshot(self) -> dict[str, Request]:
        return dict(self._configs)

    def restore(self, saved: dict[str, Request]) -> None:
        self._configs = saved


def _check_variant(variant: Request) -> None:
    for member in _REFUSED_OF_VARIANTS:
        if member in variant:
            raise not_here(f"ProductionVariants with {member}")
    for member in _NEEDED_OF_VARIANTS:
        if member not in variant:
            raise ValidationError(f"{member} is required for the production variant {variant['VariantName']}")
