from __future__ import annotations

import gc
import shutil
import sys
from pathlib import Path

import narwhals as nw
import polars as pl
import pytest

from glue_jobs.engines import ParserDisagrees, PolarsEngine, choose_engine, storage_options
from glue_jobs.errors import UnsupportedEngine
from glue_jobs.source import CheckedFile


def keep(file: Path, uri: str) -> None:
    """Deliver to this machine's own disk."""
    shutil.copy(file, uri)


def test_polars_reaches_a_local_cloud_over_plain_http() -> None:
    options = storage_options(
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_DEFAULT_REGION": "eu-west-1"}
    )
    assert options == {
        "aws_endpoint_url": "http://127.0.0.1:4566",
        "aws_allow_http": "true",
        "aws_region": "eu-west-1",
    }


def test_on_aws_polars_gets_no_endpoint_and_finds_the_role_itself() -> None:
    assert storage_options({"AWS_REGION": "eu-west-1"}) == {"aws_region": "eu-west-1"}


def test_the_endpoint_of_s3_goes_before_the_endpoint_of_all() -> None:
    options = storage_options({"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "https://b"})
    assert options == {"aws_endpoint_url": "https://b"}


@pytest.mark.parametrize(
    ("name", "environment"),
    [("spark", {}), ("auto", {"SPARK_HOME": "/opt/spark"}), ("auto", {"PYSPARK_GATEWAY_PORT": "25333"})],
)
def test_spark_is_chosen_by_name_or_where_it_runs_and_says_when_it_is_not_installed(
    name: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    monkeypatch.delitem(sys.modules, "glue_jobs.spark_engine", raising=False)
    with pytest.raises(UnsupportedEngine, match=r"pyspark.* is not installed .* or use --engine polars"):
        choose_engine(name, environment, None)


@pytest.mark.parametrize(("name", "environment"), [("auto", {}), ("polars", {"SPARK_HOME": "/opt/spark"})])
def test_polars_is_the_engine_of_one_machine(name: str, environment: dict[str, str]) -> None:
    assert isinstance(choose_engine(name, environment, None), PolarsEngine)


def checked(path: Path, header: tuple[str, ...], **more: object) -> CheckedFile:
    plain = {"records_before_data": 1, "rows": 0, "ragged": [], "blank": []}
    return CheckedFile(uri=str(path), header=header, **plain | more)  # type: ignore[arg-type]


def test_files_with_other_columns_in_another_order_are_put_under_each_other(tmp_path: Path) -> None:
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    first.write_text('a,b\n1,"x, y"\n2,\n', encoding="utf-8")
    second.write_text("c,b,a\nz,w,3\n", encoding="utf-8")
    engine = PolarsEngine({}, keep)
    rows = engine.collect(engine.scan([checked(first, ("a", "b")), checked(second, ("c", "b", "a"))]))
    values = [(row["raw/a"], row["raw/b"], row["raw/c"], row["ragged"]) for row in rows]
    assert values == [("1", "x, y", None, False), ("2", "", None, False), ("3", "w", "z", False)]
    assert [row["source"] for row in rows] == [str(first), str(first), str(second)]


def test_blank_lines_are_no_rows_and_ragged_ones_are_marked(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('\na,b\n1\n\n"2\n2",y\n3,z,z\n4,w\n\n', encoding="utf-8")
    engine = PolarsEngine({}, keep)
    file = checked(path, ("a", "b"), records_before_data=2, ragged=[0, 3], blank=[1, 5])
    rows = engine.collect(engine.scan([file]))
    assert [(row["raw/a"], row["ragged"]) for row in rows] == [
        ("1", True),
        ("2\n2", False),
        ("3", True),
        ("4", False),
    ]


def test_a_table_that_polars_reads_otherwise_is_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,5" pipe\n2,6" pipe\n', encoding="utf-8")
    engine = PolarsEngine({}, keep)
    with pytest.raises(ParserDisagrees):
        engine.collect(engine.scan([checked(path, ("a", "b"))]))


def test_rows_are_written_in_the_order_they_were_read(tmp_path: Path) -> None:
    source, target = tmp_path / "t.csv", tmp_path / "out.csv"
    numbers = [str(number) for number in range(200_000)]
    source.write_text("\n".join(["a", *numbers]), encoding="utf-8")
    engine = PolarsEngine({}, keep)
    engine.write_csv({str(target): engine.scan([checked(source, ("a",))]).select("raw/a")}, header=False)
    assert target.read_text(encoding="utf-8").split() == numbers


def test_held_rows_are_computed_once_and_keep_their_order(tmp_path: Path) -> None:
    source = tmp_path / "t.csv"
    source.write_text("\n".join(["a", *map(str, range(50_000))]), encoding="utf-8")
    engine = PolarsEngine({}, keep)
    rows = engine.scan([checked(source, ("a",))])
    [every, few] = engine.hold([rows, rows.filter(nw.col("raw/a").is_in(["7", "40000"]))])
    source.unlink()
    assert [row["raw/a"] for row in engine.collect(every)] == [str(number) for number in range(50_000)]
    assert [row["raw/a"] for row in engine.collect(few)] == ["7", "40000"]


def test_holding_a_table_that_polars_reads_otherwise_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,5" pipe\n2,6" pipe\n', encoding="utf-8")
    engine = PolarsEngine({}, keep)
    with pytest.raises(ParserDisagrees):
        engine.hold([engine.scan([checked(path, ("a", "b"))])])


def test_what_an_engine_holds_goes_with_it() -> None:
    engine = PolarsEngine({}, keep)
    [held] = engine.hold([nw.from_native(pl.LazyFrame({"a": [1]}))])
    del engine
    gc.collect()
    with pytest.raises(FileNotFoundError):
        held.to_native().collect()


@pytest.mark.parametrize(
    ("ids", "repeated"), [([3, 1, 2], []), ([5, 1, 5, 9, 1, 5], [1, 5]), ([], []), ([7], [])]
)
def test_ids_that_occur_more_than_once_are_found(ids: list[int], repeated: list[int]) -> None:
    frame = nw.from_native(pl.LazyFrame({"id": pl.Series(ids, dtype=pl.Int64)}))
    engine = PolarsEngine({}, keep)
    found = engine.repeated(frame)
    assert sorted(row["id"] for row in engine.collect(found)) == repeated if found else not repeated
