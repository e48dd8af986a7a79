"""The curated tables and nothing else, with plain Polars: `prep_bare.py <source> <train> <validation>`.

No quarantine, no search for ids that occur twice, no report: the least that can be done.
"""

import os
import sys

import polars as pl

NUMBERS = ("PassengerId", "Survived", "Pclass", "Age", "SibSp", "Parch", "Fare")
CURATED = ("PassengerId", "Survived", "Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Embarked")
MODULUS, MULTIPLIER, FRACTION = 2**31 - 1, 742_938_285, 0.2


def main(source: str, train: str, validation: str) -> None:
    options = {
        "aws_endpoint_url": os.environ["AWS_ENDPOINT_URL"],
        "aws_allow_http": "true",
        "aws_region": os.environ["AWS_REGION"],
        "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
    }
    types = {name: pl.Float64 if name in ("Age", "Fare") else pl.Int64 for name in NUMBERS}
    rows = pl.scan_csv(
        source, schema_overrides=types, null_values=["", "?", "NA"], storage_options=options
    ).with_columns(
        pl.when(pl.col("Sex") == "male").then(0).when(pl.col("Sex") == "female").then(1).alias("Sex"),
        pl.when(pl.col("Embarked") == "C")
        .then(0)
        .when(pl.col("Embarked") == "Q")
        .then(1)
        .when(pl.col("Embarked") == "S")
        .then(2)
        .alias("Embarked"),
    )
    valid = (
        pl.col("Survived").is_in([0, 1])
        & pl.col("Pclass").is_in([1, 2, 3])
        & pl.col("Age").is_between(0, 120).fill_null(True)
        & pl.col("Fare").is_between(0, 10_000).fill_null(True)
        & pl.col("SibSp").is_between(0, 20)
        & pl.col("Parch").is_between(0, 20)
    )
    first = pl.col("PassengerId") % MODULUS * MULTIPLIER % MODULUS
    kept = first * first % MODULUS * MULTIPLIER % MODULUS < round(FRACTION * MODULUS)
    curated = rows.filter(valid)
    sinks = [
        curated.filter(wanted).select(CURATED).sink_csv(target, storage_options=options, lazy=True)
        for wanted, target in ((~kept, train), (kept, validation))
    ]
    pl.collect_all(sinks, engine="streaming")


if __name__ == "__main__":
    main(*sys.argv[1:])
