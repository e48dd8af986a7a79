"""A model of the real table, trained as the pipeline trains it, in the local cloud's S3 and beside it."""

from __future__ import annotations

import csv
import io
import tarfile
from pathlib import Path

import numpy as np
import xgboost

from benchmarks.clouds import DeployedCloud
from ops import dataset

NAME = "bench"
KEY = "bench/model.tar.gz"
IMAGE = "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:3.0-5"
CODES = {"male": 0, "female": 1, "C": 0, "Q": 1, "S": 2}
FEATURES = ("Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Embarked")


def passengers() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(dataset.csv_bytes(dataset.titanic_tables().training).decode())))


def encoded(passenger: dict[str, str]) -> list[str]:
    """The features as prep writes them: numbers, or nothing where there is none."""
    given = [passenger[name] for name in FEATURES]
    return [str(CODES.get(field, "" if field == "?" else field)) for field in given]


def deploy(here: DeployedCloud, folder: Path) -> Path:
    """The file of the model, which the cloud then has as `NAME`."""
    file = folder / "xgboost-model"
    file.write_bytes(_train().save_raw("ubj"))
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as members:
        members.add(file, file.name)
    here.client("s3").put_object(Bucket=here.bucket, Key=KEY, Body=archive.getvalue())
    here.client("sagemaker").create_model(
        ModelName=NAME,
        ExecutionRoleArn=here.names.role_arn("model"),
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": f"s3://{here.bucket}/{KEY}"},
    )
    return file


def _train() -> xgboost.Booster:
    rows = passengers()
    features = np.array([[float(field or "nan") for field in encoded(row)] for row in rows])
    labels = np.array([float(row["Survived"]) for row in rows])
    hyperparameters = {"objective": "binary:logistic", "max_depth": 4, "eta": 0.03, "nthread": 1}
    return xgboost.train(hyperparameters, xgboost.DMatrix(features, labels), num_boost_round=300)
