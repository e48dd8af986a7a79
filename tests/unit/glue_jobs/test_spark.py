"""The whole job on Spark and on Polars, over the same tables: the same rows, reasons, counts and verdicts.

Needs Java and pyspark: `make test-spark` installs the second.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import random
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import narwhals as nw
import pytest

from glue_jobs import errors
from glue_jobs import prepare as job
from glue_jobs.engines import choose_engine
from glue_jobs.prepare import main
from glue_jobs.spark_files import Cluster
from ops import dataset

MISSING = " and ".join(
    name
    for name, found in {
        "Java": os.environ.get("JAVA_HOME") or shutil.which("java"),
        "pyspark": find_spec("pyspark"),
    }.items()
    if not found and not os.environ.get("TITANIC_REQUIRE_SPARK")
)
pytestmark = [
    pytest.mark.xdist_group("spark"),  # one JVM
    pytest.mark.skipif(bool(MISSING), reason=f"no {MISSING} here: install Java 17, then `make test-spark`"),
]

HEADER = "PassengerId,Survived,Pclass,Name,Sex,Age,SibSp,Parch,Ticket,Fare,Cabin,Embarked"
Objects = dict[str, bytes]


@pytest.fixture
def spark(aws_environment: dict[str, str], s3: Any) -> Any:
    """The session that the job uses; small splits, so that several tasks share each file."""
    session = choose_engine("spark", os.environ, s3)._session  # type: ignore[attr-defined]
    session.conf.set("spark.sql.files.maxPartitionBytes", "20000")
    return session


@pytest.fixture
def both(spark: Any, s3: Any, contract_path: Path) -> Callable[..., tuple[Objects, Objects]]:
    """both(source_uri, mode="training") runs the job on each engine; what Polars wrote, what Spark wrote."""

    def run(source_uri: str, mode: str = "training") -> tuple[Objects, Objects]:
        polars, spark_ = (run_on(engine, source_uri, mode) for engine in ("polars", "spark"))
        return polars, spark_

    def run_on(engine: str, source_uri: str, mode: str) -> Objects:
        bucket = f"{source_uri.split('/')[2]}-{engine}"
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        arguments = ["--mode", mode, "--run_id", "run-1", "--source_uri", source_uri, "--bucket", bucket]
        try:
            main([*arguments, "--contract", str(contract_path), "--engine", engine])
        except errors.PrepareError as error:
            s3.put_object(
                Bucket=bucket, Key="verdict", Body=error.last_line().replace(bucket, "BUCKET").encode()
            )
        listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
        return {one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in listed}

    return run


def line(identity: object, **fields: str) -> str:
    known = {"Survived": str(hash(identity) % 2), "Pclass": "3", "Name": '"Doe, Ms. ""Jo"""', "Sex": "female"}
    known |= {"Age": "30", "SibSp": "0", "Parch": "1", "Ticket": "A/5", "Fare": "7.25", "Embarked": "S"}
    return ",".join(
        str(identity) if name == "PassengerId" else fields.get(name, known.get(name, ""))
        for name in HEADER.split(",")
    )


def table(*lines: str, end: str = "\n") -> str:
    return end.join([HEADER, *lines]) + end


def good_lines(count: int, first: int = 1) -> list[str]:
    return [line(identity) for identity in range(first, first + count)]


def rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def test_the_real_table_gives_the_same_bytes(both: Any, put: Any) -> None:
    polars, spark = both(put(dataset.csv_bytes(dataset.titanic_tables().training)))
    assert sorted(polars) == [
        "curated/runs/run-1/train.csv",
        "curated/runs/run-1/validation.csv",
        "curated/train.csv",
        "curated/validation.csv",
        "runs/run-1/data_report.json",
    ]
    assert spark == polars
    assert json.loads(spark["runs/run-1/data_report.json"])["rows_out"] == 891


def test_bad_rows_are_set_aside_for_the_same_reasons(both: Any, put: Any) -> None:
    bad = [
        *(line(501, Sex="unknown"), line(502, Embarked="X"), line(503, Sex="")),
        *(line(504, Age="old"), line(505, Age="-1"), line(506, Age="121"), line(507, Fare="1e9")),
        *(line(508, Pclass="4"), line(509, Pclass="1.5"), line(510, Survived="2"), line(511, Survived="")),
        *(line("x"), line(""), line("0"), line("-7"), line(7), line(9), line(9), "600,1,3", line(601) + ",,"),
        *(line(602, Age="12\u0085"), line(603, Age="1_0"), line(604, Age="\u0663"), line(605, Age="0x1p3")),
        *(line(606, Age="30d"), line(607, Age="NaN"), line(608, Age="inf"), line(609, SibSp="1e1")),
    ]
    missing = [line(701, Age=""), line(702, Age="?", Embarked=" NA "), line(703, Age="\u00a031\t")]
    numbers = [line(704, Age=".5"), line(705, Age="5."), line(706, Fare="+1.5E2"), line(707, Pclass=" 3.0 ")]
    polars, spark = both(put(table(*good_lines(300), *bad, *missing, *numbers)))
    assert spark == polars
    report = json.loads(spark["runs/run-1/data_report.json"])
    assert report["quarantine_reasons"] == {
        "ragged_line": 2,
        "duplicate_id": 5,
        "PassengerId.not_an_integer": 1,
        "PassengerId.missing": 1,
        "PassengerId.below_minimum": 2,
        "Survived.missing": 1,
        "Survived.not_allowed": 1,
        "Pclass.not_an_integer": 1,
        "Pclass.not_allowed": 1,
        "Sex.unknown_category": 1,
        "Sex.missing": 1,
        "Age.not_a_number": 8,
        "Age.below_minimum": 1,
        "Age.above_maximum": 1,
        "SibSp.not_an_integer": 1,
        "Fare.above_maximum": 1,
        "Embarked.unknown_category": 1,
    }
    assert len(rows(spark["quarantine/run-1/rejected.csv"])) == 1 + report["rows_quarantined"]


NAMES = ['"a\\"', "  kept  ", '"#"', '"He said ""no"""', "\\N", "5 feet"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("more", [(), ('"two\nlines"', '"two\r\nlines"', '"old\rMac"')])
def test_quoted_fields_blank_lines_and_line_ends_are_read_alike(
    both: Any, put: Any, more: tuple[str, ...], end: str
) -> None:
    names = [*NAMES, *more]
    odd = [line(number, Name=name, Sex="?") for number, name in enumerate(names, start=200)]
    blank = ["", "   ", '""', "\u00a0", "300,1", "", line(301, Age=" 5 "), ""]
    text = table(*good_lines(60), *odd, *blank, end=end)
    polars, spark = both(put(b"\xef\xbb\xbf" + text.encode()))
    assert spark == polars
    assert json.loads(spark["runs/run-1/data_report.json"])["rows_in"] == 62 + len(names)
    found = [row[5] for row in rows(spark["quarantine/run-1/rejected.csv"])]
    assert found == [
        "Name",
        *(next(csv.reader([name]))[0] for name in NAMES),
        *(name[1:-1] for name in more),
        "",
    ]


def test_several_files_with_columns_in_another_order_are_one_table_in_its_order(
    both: Any, put: Any, bucket: str
) -> None:
    put(table(*good_lines(900)), "raw/t/a.csv")
    put(
        "Deck.No," + table(*(f"`B`,{one}" for one in good_lines(300, 901)), line(5, Sex="?")),
        "raw/t/b {x} [1]*.csv",
    )
    backwards = io.StringIO()
    csv.writer(backwards).writerows(
        record[::-1] for record in csv.reader(table(*good_lines(9, 2001)).splitlines())
    )
    put(backwards.getvalue(), "raw/t/c.csv")
    put("", "raw/t/empty.csv")
    put("sex,`back`," + table("m,b,3000", *(f"m,b,{one}" for one in good_lines(1500, 3001))), "raw/t/d.csv")
    polars, spark = both(f"s3://{bucket}/raw/t/")
    assert spark == polars
    ids = [int(row[0]) for row in rows(spark["curated/train.csv"])[1:]]
    assert ids == sorted(ids)
    assert len(ids) > 2000


def test_a_batch_is_cut_into_the_same_parts(both: Any, put: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "ROWS_PER_PART", 1000)
    polars, spark = both(put(table(*good_lines(2500), line(7), line(2501, Embarked=""))), "inference")
    assert spark == polars
    parts = {key: data.count(b"\n") for key, data in spark.items() if key.startswith("curated")}
    assert parts == {
        f"curated/runs/run-1/inference/part-0000{n}.csv": rows for n, rows in enumerate([1000, 1000, 500])
    }


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ([line(1, Sex="?")] * 3, "NoValidRows"),
        ([*good_lines(10), *good_lines(6)], "TooManyBadRows"),
        ([line(number, Survived="1") for number in range(1, 60)], "SingleClassTarget"),
        ([line(1), line(2)], "TooFewRows"),
    ],
)
def test_a_table_is_refused_in_the_same_words(both: Any, put: Any, lines: list[str], verdict: str) -> None:
    polars, spark = both(put(table(*lines)))
    assert spark == polars
    assert spark["verdict"].decode().startswith(f"{verdict}: ")


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_fields_hold_both_engines_see_the_same_rows(both: Any, put: Any, seed: int) -> None:
    """Numbers are compared as numbers: Java writes 1.0E-4 where Polars writes 0.0001."""
    dice = random.Random(seed)  # noqa: S311 - rows, no secret
    alphabet = [
        *"0123456789",
        *'..,,--+eE""  \t\n?N\'`\\\u00a0\u2028é',
        "1e",
        "NA",
        "nan",
        "null",
        "true",
        "0.0001",
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=dice.choice(["\n", "\r\n"]), quoting=dice.choice([0, 1]))
    writer.writerow(HEADER.split(","))
    for identity in range(1, 400):
        row = next(csv.reader([line(identity)]))
        if dice.random() < 0.15:
            row[dice.randrange(12)] = "".join(dice.choices(alphabet, k=dice.randrange(6)))
        if dice.random() < 0.1:
            row[dice.choice([5, 9])] = repr(10 ** dice.uniform(-9, 4))
        writer.writerow(row[: dice.choice([12] * 30 + [3])])
    polars, spark = both(put(text.getvalue()))
    assert sorted(spark) == sorted(polars)
    assert "verdict" not in spark
    report, same = (json.loads(found["runs/run-1/data_report.json"]) for found in (spark, polars))
    assert report | {"data_sha256": 0} == same | {"data_sha256": 0}
    assert report["rows_quarantined"] > 20
    for key in ("quarantine/run-1/rejected.csv", "curated/train.csv", "curated/validation.csv"):
        assert [list(map(number, row)) for row in rows(spark[key])] == [
            list(map(number, row)) for row in rows(polars[key])
        ]


def number(field: str) -> str | float:
    try:
        return float(field) if math.isfinite(float(field)) else field
    except ValueError:
        return field


def test_a_long_list_of_values_keeps_the_rows_in_order(spark: Any, s3: Any) -> None:
    engine = choose_engine("spark", os.environ, s3)
    frame = nw.from_native(spark.range(5000, numPartitions=7))
    even = nw.from_native(spark.range(0, 5000, 2))
    found = engine.collect(engine.flag(frame, "id", even, "even"))
    assert [(row["id"], row["even"]) for row in found] == [(n, n % 2 == 0) for n in range(5000)]
    assert not any(
        row["even"] for row in engine.collect(engine.flag(frame, "id", even.filter(nw.col("id") < 0), "even"))
    )


def test_a_path_is_no_pattern(spark: Any, s3: Any, tmp_path: Path) -> None:
    odd = tmp_path / "a {b,c} [d]* (1).csv"
    odd.write_text("x", encoding="utf-8")
    assert [row.value for row in spark.read.text(Cluster(s3).readable(str(odd))).collect()] == ["x"]


def test_spark_without_java_says_so(aws_environment: dict[str, str]) -> None:
    with pytest.raises(errors.UnsupportedEngine, match="needs Java 17"):
        choose_engine("spark", {"PATH": ""}, None)
