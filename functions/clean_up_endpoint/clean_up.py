"""Takes down what a run has put into staging: an endpoint costs money for as long as it stands.

Prod is out of its reach, by name here and by permission in functions.json. What somebody else has put into
staging stays, unless it has failed: a failed endpoint can only be deleted and would block the next promotion.
"""

from __future__ import annotations

from functions.common.clients import Client
from functions.common.endpoints import (
    delete,
    deployment_removals,
    endpoint_removal,
    find_endpoint,
    wanted_config,
)
from functions.common.inputs import StrictModel
from functions.common.promotion_run import CleanUp, PromotionRun, deployment_name


class CleanUpEndpointEvent(StrictModel):
    """The task's payload."""

    run: PromotionRun


def clean_up(run: PromotionRun, *, sagemaker: Client) -> CleanUp:
    """Deletes the endpoint first. Can be done again."""
    endpoint = run.staging_endpoint
    own = deployment_name(endpoint, run.model_package_arn, run.run_id)
    found = find_endpoint(sagemaker, endpoint)
    removals = deployment_removals(sagemaker, own)
    if found and (wanted_config(found) == own or found["EndpointStatus"] == "Failed"):
        removals.insert(0, endpoint_removal(sagemaker, endpoint))
    return CleanUp(endpoint_name=endpoint, deleted=[name for name, remove in removals if delete(remove)])
