"""What InitRun is deployed with."""

from __future__ import annotations

from functions.common.settings import Settings


class InitRunSettings(Settings):
    """Defaults for keys the execution input leaves out, and how long training may take."""

    source_uri: str
    code_bundle_uri: str
    accuracy_threshold: float
    f1_threshold: float
    auc_threshold: float
    training_deadline_seconds: int
    batch_source_uri: str
    drift_threshold: float
    model_package_group: str
    staging_endpoint: str
    prod_endpoint: str
    instance_type: str
    instance_count: int
    canary_percent: int
    bake_seconds: int
