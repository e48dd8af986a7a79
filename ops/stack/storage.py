"""The data bucket, and the code that jobs read from it."""

from __future__ import annotations

from ops import bundles
from ops.stack.base import Stack, existing


def put_bucket(stack: Stack) -> None:
    s3, bucket = stack.client("s3"), stack.names["data_bucket"]
    region = {"LocationConstraint": stack.names.region}
    with existing("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=region)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )


def upload_code(stack: Stack) -> None:
    """The job's script and companions, and the pipeline's code bundle, under the version they are of."""
    prefix = stack.values["job_code_prefix"]
    bundle_key = stack.values["code_bundle_uri"].split("/", 3)[3]
    objects = {
        f"{prefix}/prepare.py": (stack.root / "glue_jobs/prepare.py").read_bytes(),
        f"{prefix}/glue_jobs.zip": bundles.build_glue_zip(stack.root),
        f"{prefix}/titanic.json": (stack.root / "contracts/titanic.json").read_bytes(),
        bundle_key: bundles.build_code_bundle(stack.root),
    }
    for key, body in objects.items():
        stack.client("s3").put_object(Bucket=stack.names["data_bucket"], Key=key, Body=body)
