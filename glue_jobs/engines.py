"""Where an engine differs from another: how it reads CSV, runs a lazy frame and writes it.

The rules are in `glue_jobs.transforms` and are the same for all. Polars, which streams on one machine, is
here; Spark is in `glue_jobs.spark_engine`, which is imported where it is chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import narwhals as nw
import polars as pl

from glue_jobs.errors import UnsupportedEngine
from glue_jobs.source import CheckedFile
from glue_jobs.transforms import RAGGED, SOURCE, Frame, raw

SPARKS_VARIABLES = {"SPARK_HOME", "PYSPARK_GATEWAY_PORT"}  # the second is set for what spark-submit starts
ROW = "row"
PARSER_COMPLAINTS = ("CSV malformed", "could not parse", "invalid utf-8")


class ParserDisagrees(Exception):
    """The engine's parser does not see the rows that the source check saw: quotes are ambiguous."""


def part_name(number: int) -> str:
    """The file name of a part of a curated table."""
    return f"part-{number:05d}.csv"


class Engine(Protocol):
    """What the job asks of an engine."""

    def scan(self, files: Sequence[CheckedFile]) -> Frame:
        """All files under each other, every column as text: the `scanned` frame of `transforms`."""

    def collect(self, frame: Frame) -> list[dict[str, Any]]:
        """The rows of a small frame."""

    def flag(self, frame: Frame, column: str, values: Frame, name: str) -> Frame:
        """`frame` in its order with a true or false column: whether `column` is one of the few `values`.

        `values` has that column only, without null.
        """

    def write_csv(self, frames: Mapping[str, Frame], *, header: bool) -> None:
        """One CSV per URI; rows keep the order they were read in."""

    def write_parts(self, folder_uri: str, frame: Frame, rows_per_part: int) -> None:
        """`part-00000.csv` … under a folder, without headers; rows keep the order they were read in."""


def choose_engine(name: str, environment: Mapping[str, str], s3: Any) -> Engine:
    """The engine called `name`; `auto` is Spark where a Spark runs this script or is installed, else Polars.

    Raises:
        UnsupportedEngine: Spark, where there is no pyspark or no Java.
    """
    if name == "polars" or (name == "auto" and not SPARKS_VARIABLES & environment.keys()):
        return PolarsEngine(storage_options(environment))
    try:
        from glue_jobs.spark_engine import start_spark_engine
    except ModuleNotFoundError as error:
        raise UnsupportedEngine(
            f"{error.name} is not installed here: install requirements/spark.txt, or use --engine polars"
        ) from error
    return start_spark_engine(environment, s3)


def storage_options(environment: Mapping[str, str]) -> dict[str, str]:
    """How Polars' own S3 client reaches the S3 that boto3 would reach with the same environment.

    Without keys in the environment Polars asks boto3 for the machine's or the role's credentials.
    """
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    options = {
        "aws_endpoint_url": endpoint,
        "aws_allow_http": "true" if endpoint and endpoint.startswith("http://") else None,
        "aws_region": environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
        "aws_access_key_id": environment.get("AWS_ACCESS_KEY_ID"),
        "aws_secret_access_key": environment.get("AWS_SECRET_ACCESS_KEY"),
        "aws_session_token": environment.get("AWS_SESSION_TOKEN"),
    }
    return {key: value for key, value in options.items() if value}


class PolarsEngine:
    """Polars, streaming: memory grows with the batch size and the number of distinct ids, not the table."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = dict(options)

    def scan(self, files: Sequence[CheckedFile]) -> Frame:
        return nw.from_native(pl.concat(map(self._scan_file, files), how="diagonal"))

    def collect(self, frame: Frame) -> list[dict[str, Any]]:
        with _disagreement():
            return _native(frame).collect(engine="streaming").to_dicts()

    def flag(self, frame: Frame, column: str, values: Frame, name: str) -> Frame:
        listed = sorted(row[column] for row in self.collect(values))
        return frame.with_columns((nw.col(column).is_in(listed) if listed else nw.lit(False)).alias(name))

    def write_csv(self, frames: Mapping[str, Frame], *, header: bool) -> None:
        sinks = [
            _native(frame).sink_csv(
                uri, include_header=header, storage_options=self._options or None, lazy=True
            )
            for uri, frame in frames.items()
        ]
        with _disagreement():
            pl.collect_all(sinks, engine="streaming")

    def write_parts(self, folder_uri: str, frame: Frame, rows_per_part: int) -> None:
        parts = pl.PartitionBy(
            folder_uri,
            file_path_provider=lambda part: part_name(part.index_in_partition),
            max_rows_per_file=rows_per_part,
            approximate_bytes_per_file=None,
        )
        with _disagreement():
            _native(frame).sink_csv(
                parts, include_header=False, storage_options=self._options or None, engine="streaming"
            )

    def _scan_file(self, file: CheckedFile) -> pl.LazyFrame:
        irregular = bool(file.ragged or file.blank)
        rows = pl.scan_csv(
            file.uri,
            has_header=False,
            skip_rows=file.records_before_data,
            schema={raw(name): pl.String for name in file.header},
            empty_string_is_null=False,
            extra_columns="ignore",
            missing_columns="insert",
            glob=False,
            row_index_name=ROW if irregular else None,
            storage_options=self._options or None,
        ).with_columns(pl.lit(file.uri).alias(SOURCE))
        if not irregular:
            return rows.with_columns(pl.lit(False).alias(RAGGED))
        row = pl.col(ROW).cast(pl.Int64)
        ragged = row.is_in(list(file.ragged)).alias(RAGGED)
        return rows.filter(~row.is_in(list(file.blank))).with_columns(ragged).drop(ROW)


def _native(frame: Frame) -> pl.LazyFrame:
    native: pl.LazyFrame = frame.to_native()
    return native


@contextmanager
def _disagreement() -> Iterator[None]:
    try:
        yield
    except pl.exceptions.ComputeError as error:
        if str(error).startswith(PARSER_COMPLAINTS):
            raise ParserDisagrees from error
        raise
