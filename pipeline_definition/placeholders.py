"""The values that only a deployment knows, as the SDK sees them and as the template says them.

The SDK checks and takes apart what it is given (a role must look like an ARN), so it gets believable
sentinels, and `as_template` puts Terraform's `${...}` in their place.
"""

from __future__ import annotations

from ops.names import project_file

REGION = str(project_file()["region"])
DATA_BUCKET = "sentinel-data-bucket"
MODEL_PACKAGE_GROUP = "sentinel-model-package-group"
ROLE_ARN = "arn:aws:iam::123456789012:role/sentinel-pipeline-role"

PLACEHOLDERS = {
    DATA_BUCKET: "${data_bucket}",
    MODEL_PACKAGE_GROUP: "${model_package_group_name}",
    ROLE_ARN: "${pipeline_role_arn}",
}


def as_template(text: str) -> str:
    """The definition with placeholders. Raises `ValueError` when the SDK altered or dropped a sentinel."""
    for sentinel, placeholder in PLACEHOLDERS.items():
        if sentinel not in text:
            raise ValueError(f"the definition never mentions {sentinel}, so {placeholder} has no place")
        text = text.replace(sentinel, placeholder)
    if "sentinel-" in text:
        raise ValueError("the definition holds part of a sentinel: the SDK changed the value it was given")
    return text
