"""Where an engine differs from another: how it reads CSV, runs a lazy frame and writes it.

The rules are in `glue_jobs.transforms` and are the same for all. Polars, which streams on one machine, is
here; Spark is in `glue_jobs.spark_engine`, which is imported where it is chosen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import narwhals as nw
import polars as pl
from boto3.s3.transfer import TransferConfig

from glue_jobs.errors import UnsupportedEngine
from glue_jobs.source import CheckedFile
from glue_jobs.transforms import RAGGED, SOURCE, Frame, raw

SPARKS_VARIABLES = {"SPARK_HOME", "PYSPARK_GATEWAY_PORT"}  # the second is set for what spark-submit starts
ROW = "row"
# Bytes of a file that a thread parses at a time. Polars' own choice, a share of the file, lets memory grow
# with the table: 10^7 rows took 700 MiB instead of 225.
CSV_CHUNK_BYTES = 1 << 20
FEW_PARTS_AT_ONCE = TransferConfig(max_concurrency=2)  # a part is 8 MB of memory
# Text that waits to be written keeps the whole block of the file it was cut from in memory, unless it is a
# copy: 10,000 bad rows of 10^7 took 430 MiB.
COPIED_TEXT = pl.col(pl.String) + ""
PARSER_COMPLAINTS = ("CSV malformed", "could not parse", "invalid utf-8")


Deliver = Callable[[Path, str], object]  # takes a finished file to its URI


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

    def hold(self, frames: Sequence[Frame]) -> list[Frame]:
        """The same rows, computed once, so that reading them again costs little."""

    def repeated(self, ids: Frame) -> Frame | None:
        """The values that a frame of one column holds more than once, each once; None when there are none."""

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
        return PolarsEngine(storage_options(environment), partial(upload, s3))
    try:
        from glue_jobs.spark_engine import start_spark_engine
    except ModuleNotFoundError as error:
        raise UnsupportedEngine(
            f"{error.name} is not installed here: install requirements/spark.txt, or use --engine polars"
        ) from error
    return start_spark_engine(environment, s3)


def upload(s3: Any, file: Path, uri: str) -> None:
    """Take a file to S3."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    s3.upload_file(str(file), bucket, key, Config=FEW_PARTS_AT_ONCE)


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
    """Polars, streaming: memory grows with the batch size and the number of ids, not the table.

    It writes files of this machine's, to be delivered when they are whole: Polars' own writing to S3 buffers
    what the network does not take, up to the whole table.
    """

    def __init__(self, options: Mapping[str, str], deliver: Deliver) -> None:
        self._options, self._deliver = dict(options), deliver
        self._folder = TemporaryDirectory(prefix="prepare-")
        self._number = count()
        os.environ.setdefault("POLARS_CSV_CHUNK_SIZE", str(CSV_CHUNK_BYTES))

    def scan(self, files: Sequence[CheckedFile]) -> Frame:
        return nw.from_native(pl.concat(map(self._scan_file, files), how="diagonal"))

    def collect(self, frame: Frame) -> list[dict[str, Any]]:
        with _disagreement():
            return _native(frame).collect(engine="streaming").to_dicts()

    def hold(self, frames: Sequence[Frame]) -> list[Frame]:
        files = [self._new_path() for _ in frames]
        sinks = [
            _native(frame)
            .with_columns(COPIED_TEXT)
            .sink_parquet(file, compression="lz4", statistics=False, lazy=True)
            for frame, file in zip(frames, files, strict=True)
        ]
        with _disagreement():
            pl.collect_all(sinks, engine="streaming")
        return [nw.from_native(pl.scan_parquet(file)) for file in files]

    def repeated(self, ids: Frame) -> Frame | None:
        """Eight bytes an id: grouping takes five times that."""
        with _disagreement():
            values = _native(ids).collect(engine="streaming").to_series().sort()
        again = values[1:].filter(values[1:] == values[:-1]).unique()
        return nw.from_native(again.to_frame().lazy()) if len(again) else None

    def flag(self, frame: Frame, column: str, values: Frame, name: str) -> Frame:
        listed = sorted(row[column] for row in self.collect(values))
        return frame.with_columns(nw.col(column).is_in(listed).alias(name))

    def write_csv(self, frames: Mapping[str, Frame], *, header: bool) -> None:
        files = {uri: self._new_path() for uri in frames}
        sinks = [
            _native(frame).sink_csv(files[uri], include_header=header, lazy=True)
            for uri, frame in frames.items()
        ]
        with _disagreement():
            pl.collect_all(sinks, engine="streaming")
        for uri, file in files.items():
            self._hand_over(file, uri)

    def write_parts(self, folder_uri: str, frame: Frame, rows_per_part: int) -> None:
        folder = self._new_path()
        parts = pl.PartitionBy(
            folder,
            file_path_provider=lambda part: part_name(part.index_in_partition),
            max_rows_per_file=rows_per_part,
            approximate_bytes_per_file=None,
        )
        with _disagreement():
            _native(frame).sink_csv(parts, include_header=False, engine="streaming")
        for file in sorted(folder.iterdir()):
            self._hand_over(file, f"{folder_uri}{file.name}")

    def _new_path(self) -> Path:
        return Path(self._folder.name, str(next(self._number)))

    def _hand_over(self, file: Path, uri: str) -> None:
        self._deliver(file, uri)
        file.unlink()

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
