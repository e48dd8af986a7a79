"""The preparation job's result with plain Polars: `prep_polars.py <source> <bucket> <run id>`.

What one would write by hand for this one table: curated tables, quarantine with reasons, ids that occur
twice, the report with its hashes, the fixed copies. There is no contract file, and a file that is no CSV is
not recognised.
"""

import hashlib
import json
import os
import sys

import boto3
import polars as pl

INTEGERS = ("PassengerId", "Survived", "Pclass", "SibSp", "Parch")
NUMBERS = ("Age", "Fare")
CODES = {"Sex": {"male": 0, "female": 1}, "Embarked": {"C": 0, "Q": 1, "S": 2}}
CURATED = ("PassengerId", "Survived", "Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Embarked")
FEATURES = CURATED[2:]
BOUNDS = {"Age": (0, 120), "SibSp": (0, 20), "Parch": (0, 20), "Fare": (0, 10_000)}
ALLOWED = {"Survived": [0, 1], "Pclass": [1, 2, 3]}
MISSING = ["", "?", "NA"]
MODULUS, MULTIPLIER, FRACTION = 2**31 - 1, 742_938_285, 0.2
CHUNK_BYTES = 1 << 20
OPTIONS = {
    "aws_endpoint_url": os.environ["AWS_ENDPOINT_URL"],
    "aws_allow_http": "true",
    "aws_region": os.environ["AWS_REGION"],
    "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
    "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
}


def main(source: str, bucket: str, run_id: str) -> None:
    s3 = boto3.client("s3")
    text = pl.scan_csv(source, infer_schema=False, storage_options=OPTIONS)
    header = text.collect_schema().names()
    rows = classified(text, source)
    ids = rows.group_by("PassengerId").len().filter(pl.col("len") > 1).select("PassengerId")
    counts, twice = pl.collect_all([rows.select(**summary()), ids], engine="streaming")
    if len(twice):
        again = pl.when(pl.col("PassengerId").is_in(twice["PassengerId"].implode())).then(
            pl.lit("duplicate_id")
        )
        rows = rows.with_columns(reason=pl.coalesce("reason", again))
        counts = rows.select(**summary()).collect(engine="streaming")
    [found] = counts.to_dicts()
    if found["bad"] > 0.2 * found["rows"]:
        raise SystemExit(f"{found['bad']} of {found['rows']} rows are bad")
    curated = rows.filter(pl.col("reason").is_null())
    folder = f"curated/runs/{run_id}"
    tables = {
        f"{folder}/train.csv": curated.filter(~pl.col("kept")).select(CURATED),
        f"{folder}/validation.csv": curated.filter("kept").select(CURATED),
    }
    originals = [pl.col(f"raw/{name}").alias(name) for name in header]
    bad = rows.filter(pl.col("reason").is_not_null()).select(
        "reason", pl.lit(source).alias("source"), *originals
    )
    quarantine = {f"quarantine/{run_id}/rejected.csv": bad} if found["bad"] else {}
    sinks = [
        frame.sink_csv(f"s3://{bucket}/{key}", storage_options=OPTIONS, lazy=True)
        for key, frame in {**tables, **quarantine}.items()
    ]
    pl.collect_all(sinks, engine="streaming")
    report = {
        "source_sha256": sha256(s3, [source.removeprefix("s3://").split("/", 1)]),
        "data_sha256": sha256(s3, [(bucket, key) for key in tables]),
        **reported(found),
    }
    s3.put_object(
        Bucket=bucket, Key=f"runs/{run_id}/data_report.json", Body=json.dumps(report, indent=2).encode()
    )
    for key in tables:
        published = f"curated/{key.rpartition('/')[2]}"
        s3.copy_object(CopySource={"Bucket": bucket, "Key": key}, Bucket=bucket, Key=published)


def classified(text: pl.LazyFrame, source: str) -> pl.LazyFrame:
    """Numbers where there are some, a reason where a row is bad, the side of the split."""
    raw = text.rename(lambda name: f"raw/{name}")
    trimmed = {name: pl.col(f"raw/{name}").fill_null("").str.strip_chars() for name in CURATED}
    given = {name: pl.when(~cell.is_in(MISSING)).then(cell) for name, cell in trimmed.items()}
    first = pl.col("PassengerId") % MODULUS * MULTIPLIER % MODULUS
    return (
        raw.with_columns(**{f"text/{name}": cell for name, cell in given.items()})
        .with_columns(**{name: value(name) for name in CURATED})
        .with_columns(
            reason=pl.coalesce(*(pl.when(wrong).then(pl.lit(why)) for why, wrong in faults())),
            kept=first * first % MODULUS * MULTIPLIER % MODULUS < round(FRACTION * MODULUS),
        )
    )


def value(name: str) -> pl.Expr:
    text = pl.col(f"text/{name}")
    if name in CODES:
        first, *others = CODES[name].items()
        coded = pl.when(text == first[0]).then(first[1])
        for word, code in others:
            coded = coded.when(text == word).then(code)
        return coded.cast(pl.Int64)
    return text.cast(pl.Int64 if name in INTEGERS else pl.Float64, strict=False)


def faults() -> list[tuple[str, pl.Expr]]:
    """Every reason with its condition; the first that holds is a row's."""
    found = []
    for name in CURATED:
        text, number = pl.col(f"text/{name}"), pl.col(name)
        kind = (
            "unknown_category" if name in CODES else "not_an_integer" if name in INTEGERS else "not_a_number"
        )
        found.append((f"{name}.{kind}", text.is_not_null() & number.is_null()))
        if name not in ("Age", "Fare", "Embarked"):
            found.append((f"{name}.missing", text.is_null()))
        if name == "PassengerId":
            found.append((f"{name}.below_minimum", number < 1))
        if name in BOUNDS:
            found.append((f"{name}.below_minimum", number < BOUNDS[name][0]))
            found.append((f"{name}.above_maximum", number > BOUNDS[name][1]))
        if name in ALLOWED:
            found.append((f"{name}.not_allowed", ~number.is_in(ALLOWED[name])))
    return found


def summary() -> dict[str, pl.Expr]:
    """What the report says, as one row."""
    good = pl.col("reason").is_null()
    found = {"rows": pl.len(), "bad": (~good).sum()}
    found |= {f"reason/{why}": (pl.col("reason") == why).sum() for why, _wrong in faults()}
    found["reason/duplicate_id"] = (pl.col("reason") == "duplicate_id").sum()
    for name in FEATURES:
        number = pl.when(good).then(pl.col(name))
        found[f"missing/{name}"] = (pl.col(name).is_null() & good).sum()
        if name in CODES:
            found |= {f"{name}/{word}": (number == code).sum() for word, code in CODES[name].items()}
        else:
            found |= {f"minimum/{name}": number.min(), f"maximum/{name}": number.max()}
            found[f"mean/{name}"] = number.mean().round(6)
    for label in ALLOWED["Survived"]:
        of_class = good & (pl.col("Survived") == label)
        found |= {f"train/{label}": (of_class & ~pl.col("kept")).sum()}
        found |= {f"validation/{label}": (of_class & pl.col("kept")).sum()}
    return found


def reported(found: dict[str, float]) -> dict[str, object]:
    """The counts in the report's form."""
    labels = ALLOWED["Survived"]
    why = {name.removeprefix("reason/"): rows for name, rows in found.items() if name.startswith("reason/")}
    return {
        "rows_in": found["rows"],
        "rows_out": found["rows"] - found["bad"],
        "rows_quarantined": found["bad"],
        "quarantine_reasons": {name: rows for name, rows in why.items() if rows},
        "columns": {name: column(found, name) for name in FEATURES},
        "train_rows": sum(found[f"train/{label}"] for label in labels),
        "validation_rows": sum(found[f"validation/{label}"] for label in labels),
        "target": {str(label): found[f"train/{label}"] + found[f"validation/{label}"] for label in labels},
    }


def column(found: dict[str, float], name: str) -> dict[str, object]:
    missing = {"missing": found[f"missing/{name}"]}
    if name in CODES:
        return {**missing, "categories": {word: found[f"{name}/{word}"] for word in CODES[name]}}
    return missing | {what: found[f"{what}/{name}"] for what in ("minimum", "maximum", "mean")}


def sha256(s3: object, objects: list) -> str:
    digest = hashlib.sha256()
    for bucket, key in objects:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
        for chunk in body.iter_chunks(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])
