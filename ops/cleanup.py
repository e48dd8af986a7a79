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
    sagemaker = target.client("sagemaker")
    found = endpoints.find_endpoint(target, name)
    if found is None:
        return []
    endpoints.delete_endpoint(target, name)
    removed = [name]
    # A deployment's configuration and model bear one name.
    removals: list[tuple[str, Callable[[], object]]] = [
        (
            f"endpoint-config/{found.config}",
            lambda: sagemaker.delete_endpoint_config(EndpointConfigName=found.config),
        ),
        (f"model/{found.config}", lambda: sagemaker.delete_model(ModelName=found.config)),
    ]
    return removed + [what for what, remove in removals if _gone(remove)]


def _gone(remove: Callable[[], object]) -> bool:
    from botocore.exceptions import ClientError

    try:
        remove()
    except ClientError as error:
        if error_code(error) not in endpoints.ABSENT:
            raise
        return False
    return True
