"""The curated tables and nothing else, with DuckDB: `prep_duckdb.py <source> <train> <validation>`.

DuckDB's own S3 client is an extension that it downloads when it is first used; here boto3 brings the table
and takes the results away.
"""

import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import duckdb

QUERY = """
CREATE VIEW curated AS
SELECT PassengerId, Survived, Pclass, CASE Sex WHEN 'male' THEN 0 WHEN 'female' THEN 1 END AS Sex, Age, SibSp,
    Parch, Fare, CASE Embarked WHEN 'C' THEN 0 WHEN 'Q' THEN 1 WHEN 'S' THEN 2 END AS Embarked,
    PassengerId % 2147483647 * 742938285 % 2147483647 AS first
FROM read_csv('{source}', header = true, nullstr = ['', '?', 'NA'], types = {{
    'PassengerId': 'BIGINT', 'Survived': 'BIGINT', 'Pclass': 'BIGINT', 'Age': 'DOUBLE', 'SibSp': 'BIGINT',
    'Parch': 'BIGINT', 'Fare': 'DOUBLE'}})
WHERE Survived IN (0, 1) AND Pclass IN (1, 2, 3) AND coalesce(Age BETWEEN 0 AND 120, true)
    AND coalesce(Fare BETWEEN 0 AND 10000, true) AND SibSp BETWEEN 0 AND 20 AND Parch BETWEEN 0 AND 20
"""
COPY = """
COPY (SELECT * EXCLUDE first FROM curated
WHERE {wanted} (first * first % 2147483647 * 742938285 % 2147483647 < round(0.2 * 2147483647)))
TO '{target}' (HEADER)
"""


def main(source: str, train: str, validation: str) -> None:
    s3 = boto3.client("s3")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "source.csv")
        s3.download_file(*split(source), str(table))
        duckdb.sql(QUERY.format(source=table))
        for wanted, uri in (("NOT", train), ("", validation)):
            target = Path(folder, "part.csv")
            duckdb.sql(COPY.format(wanted=wanted, target=target))
            s3.upload_file(str(target), *split(uri))


def split(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.netloc, parts.path.lstrip("/")


if __name__ == "__main__":
    main(*sys.argv[1:])
