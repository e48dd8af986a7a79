"""The same preparation with pandas: `prep_pandas.py <source> <train> <validation>`."""

import io
import sys
from urllib.parse import urlsplit

import boto3
import pandas as pd

CURATED = ["PassengerId", "Survived", "Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Embarked"]
MODULUS, MULTIPLIER, FRACTION = 2**31 - 1, 742_938_285, 0.2


def main(source: str, train: str, validation: str) -> None:
    s3 = boto3.client("s3")
    bucket, key = split(source)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    rows = pd.read_csv(body, na_values=["?", "NA"], usecols=CURATED)
    rows["Sex"] = rows["Sex"].map({"male": 0, "female": 1})
    rows["Embarked"] = rows["Embarked"].map({"C": 0, "Q": 1, "S": 2}).astype("Int64")
    valid = (
        rows["Survived"].isin([0, 1])
        & rows["Pclass"].isin([1, 2, 3])
        & (rows["Age"].between(0, 120) | rows["Age"].isna())
        & (rows["Fare"].between(0, 10_000) | rows["Fare"].isna())
        & rows["SibSp"].between(0, 20)
        & rows["Parch"].between(0, 20)
    )
    rows = rows.loc[valid, CURATED]
    first = rows["PassengerId"] % MODULUS * MULTIPLIER % MODULUS
    kept = first * first % MODULUS * MULTIPLIER % MODULUS < round(FRACTION * MODULUS)
    for wanted, target in ((~kept, train), (kept, validation)):
        text = io.BytesIO()
        rows[wanted].to_csv(text, index=False)
        bucket, key = split(target)
        s3.put_object(Bucket=bucket, Key=key, Body=text.getvalue())


def split(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.netloc, parts.path.lstrip("/")


if __name__ == "__main__":
    main(*sys.argv[1:])
