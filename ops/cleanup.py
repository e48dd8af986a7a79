"""Removes what a promotion that was stopped left in staging."""

from __future__ import annotations

from collections.abc import Callable

from ops import endpoints, gate
from ops.aws_errors import error_code
from ops.errors import EndpointBusy
from ops.target import Target


def clean_up(target: Target, name: str) -> list[str]:
    """Removes the endpoint with its configuration and model; names of what went. Raises `EndpointBusy`."""
    going = next(iter(gate.running(target)), None)
    if going:
        raise EndpointBusy(
            f"Promotion {going.run_id} goes on and uses {name}: answer its gate with `titanic confirm "
            f"{going.run_id}` or `titanic decline {going.run_id}`, or wait for its end."
        )
    found = endpoints.find_endpoint(target, name)
    if found is None:
        return []
    endpoints.delete_endpoint(target, name)
    # A deployment's configuration and model bear one name.
    config = [f"endpoint-config/{found.config}"] if delete_config(target, found.config) else []
    model = [f"model/{found.config}"] if delete_model(target, found.config) else []
    return [name, *config, *model]


def delete_config(target: Target, name: str) -> bool:
    """Whether there was such a configuration to delete."""
    return _gone(lambda: target.client("sagemaker").delete_endpoint_config(EndpointConfigName=name))


def delete_model(target: Target, name: str) -> bool:
    """Whether there was such a model to delete."""
    return _gone(lambda: target.client("sagemaker").delete_model(ModelName=name))


def _gone(remove: Callable[[], object]) -> bool:
    from botocore.exceptions import ClientError

    try:
        remove()
    except ClientError as error:
        if error_code(error) not in endpoints.ABSENT:
            raise
        return False
    return True
