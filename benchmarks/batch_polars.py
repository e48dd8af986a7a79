"""Batch inference in one process with Polars: `batch_polars.py <model> <bucket> <input> <output>`.

Input and output are prefixes in the bucket. A part is a batch: read, scored, written.
"""

import io
import sys

import boto3
import polars as pl
import xgboost


def main(model: str, bucket: str, source: str, target: str) -> None:
    s3 = boto3.client("s3")
    booster = xgboost.Booster(model_file=model)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=source):
        for found in page["Contents"]:
            body = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
            rows = pl.read_csv(body, has_header=False, schema_overrides=[pl.Int64] + [pl.Float64] * 7)
            scores = booster.inplace_predict(rows[:, 1:].to_numpy())
            text = io.BytesIO()
            pl.DataFrame({"id": rows[:, 0], "score": scores}).write_csv(text, include_header=False)
            key = f"{target}{found['Key'].removeprefix(source)}.out"
            s3.put_object(Bucket=bucket, Key=key, Body=text.getvalue())


if __name__ == "__main__":
    main(*sys.argv[1:])
