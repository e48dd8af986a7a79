"""What `batch_polars.py` does, with pandas: `batch_pandas.py <model> <bucket> <input> <output>`."""

import io
import sys

import boto3
import pandas as pd
import xgboost


def main(model: str, bucket: str, source: str, target: str) -> None:
    s3 = boto3.client("s3")
    booster = xgboost.Booster(model_file=model)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=source):
        for found in page["Contents"]:
            rows = pd.read_csv(s3.get_object(Bucket=bucket, Key=found["Key"])["Body"], header=None)
            scores = booster.inplace_predict(rows.iloc[:, 1:].to_numpy(dtype=float))
            text = io.BytesIO()
            pd.DataFrame({"id": rows[0], "score": scores}).to_csv(text, header=False, index=False)
            key = f"{target}{found['Key'].removeprefix(source)}.out"
            s3.put_object(Bucket=bucket, Key=key, Body=text.getvalue())


if __name__ == "__main__":
    main(*sys.argv[1:])
