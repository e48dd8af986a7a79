"""Prep on Spark: the machines of a Glue job, or the JVM of a laptop with the optional `pyspark`.

Nothing is sorted or shuffled but the ids: each file is a scan of its own, whose partitions Spark makes in the
order of the rows, so the parts it writes follow each other as the rows did. What S3 gets is what the job
promises, single files and parts of an exact length, so the driver puts the parts together as it uploads them.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from itertools import count, islice, zip_longest
from tempfile import TemporaryFile
from typing import IO, Any

import narwhals as nw
from pyspark.sql import SparkSession
from pyspark.sql import functions as sql
from pyspark.sql.types import StringType, StructField, StructType

from glue_jobs.engines import SPARKS_VARIABLES, part_name
from glue_jobs.errors import UnsupportedEngine
from glue_jobs.source import CheckedFile
from glue_jobs.spark_files import SparkFiles, files_for, object_of
from glue_jobs.transforms import RAGGED, SOURCE, Frame, raw

LINE = "line"
WHOLE_RECORD = "record"  # Spark fills it where the number of fields is not the header's
BLANK_RECORD = r'(?U)\A(\s*|"\s*")\s*\z'
NEEDS_QUOTES = '[",\r\n]'
READING = {
    "header": True,
    "quote": '"',
    "escape": '"',
    "mode": "PERMISSIVE",
    "columnNameOfCorruptRecord": WHOLE_RECORD,
    "columnPruning": False,  # a parser that skips fields does not count them
}
# Spark would copy every rule into the scan of each file, and plan and compile a hundred files for minutes.
RULES_STAY_ABOVE_SCANS = ",".join(
    f"org.apache.spark.sql.catalyst.optimizer.{rule}"
    for rule in ("PushProjectionThroughUnion", "PushDownPredicates")
)
# The JVM compiles no larger method, and the rules together would make one. Spark's own limit lets it through:
# 36 s for 10^6 rows instead of 24.
MOST_METHOD_BYTES = "8000"
# One machine: no page to look at, nobody to listen to, no more to say than what went wrong.
OWN_JVM = {
    "spark.master": "local[*]",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.sql.shuffle.partitions": "16",
}


def start_spark_engine(environment: Mapping[str, str], s3: Any) -> SparkEngine:
    """The engine on the Spark that runs this script, else on one that it starts on this machine.

    Raises:
        UnsupportedEngine: there is no Java.
    """
    session = _session(environment)
    session.conf.set("spark.sql.caseSensitive", "true")  # a header may have both Cabin and cabin
    session.conf.set("spark.sql.optimizer.excludedRules", RULES_STAY_ABOVE_SCANS)
    session.conf.set("spark.sql.codegen.hugeMethodLimit", MOST_METHOD_BYTES)
    print(f"prepare: Spark {session.version}, master {session.sparkContext.master}", flush=True)
    return SparkEngine(session, s3, files_for(session.sparkContext.master, s3))


def _session(environment: Mapping[str, str]) -> Any:
    builder = SparkSession.builder.appName("prepare")
    if SPARKS_VARIABLES & environment.keys():
        return builder.getOrCreate()  # somebody set it up: its settings are theirs
    if not (environment.get("JAVA_HOME") or shutil.which("java", path=environment.get("PATH"))):
        raise UnsupportedEngine("Spark needs Java 17 and finds none: install it, or use --engine polars")
    return builder.config(map=OWN_JVM).getOrCreate()


class SparkEngine:
    """Spark, for tables that one machine is too small for. The driver streams what it reads and uploads."""

    def __init__(self, session: Any, s3: Any, files: SparkFiles) -> None:
        self._session = session
        self._s3 = s3
        self._files = files

    def scan(self, files: Sequence[CheckedFile]) -> Frame:
        names = list(dict.fromkeys(name for file in files for name in file.header))
        scans = [self._scan_file(file, names) for file in files]
        return _frame(reduce(lambda above, below: above.union(below), scans))

    def collect(self, frame: Frame) -> list[dict[str, Any]]:
        return [row.asDict() for row in frame.to_native().collect()]

    def hold(self, frames: Sequence[Frame]) -> list[Frame]:
        return [_frame(frame.to_native().persist()) for frame in frames]

    def repeated(self, ids: Frame) -> Frame | None:
        native = ids.to_native()
        [name] = native.columns
        again = native.groupBy(_column(name)).count().filter("count > 1").select(_column(name)).persist()
        return None if again.isEmpty() else _frame(again)

    def flag(self, frame: Frame, column: str, values: Frame, name: str) -> Frame:
        """Joined, not listed: Spark takes a minute to read a list of a hundred thousand literals."""
        few = values.to_native().withColumn(name, sql.lit(True))
        joined = frame.to_native().join(sql.broadcast(few), on=column, how="left")
        return _frame(joined.withColumn(name, sql.coalesce(_column(name), sql.lit(False))))

    def write_csv(self, frames: Mapping[str, Frame], *, header: bool) -> None:
        for uri, frame in frames.items():
            bucket, key = object_of(uri)
            with self._lines(uri, frame, header=header) as lines:
                self._s3.upload_fileobj(lines, bucket, key)

    def write_parts(self, folder_uri: str, frame: Frame, rows_per_part: int) -> None:
        bucket, folder = object_of(folder_uri)
        with self._lines(folder_uri, frame, header=False) as lines:
            for number in count():
                part = b"".join(islice(lines, rows_per_part))
                if not part:
                    return
                self._s3.put_object(Bucket=bucket, Key=f"{folder}{part_name(number)}", Body=part)

    @contextmanager
    def _lines(self, uri: str, frame: Frame, *, header: bool) -> Iterator[IO[bytes]]:
        """The frame as CSV in a file on the driver's disk, put together of the parts that Spark writes."""
        native = frame.to_native()
        folder = self._files.staging(uri)
        try:
            native.select(_csv_line(native).alias(LINE)).write.mode("overwrite").text(folder)
            with TemporaryFile() as whole:
                if header:
                    whole.write(_header_line(native.columns))
                whole.writelines(self._files.parts(folder))
                whole.seek(0)
                yield whole
        finally:
            self._files.discard(folder)

    def _scan_file(self, file: CheckedFile, names: Sequence[str]) -> Any:
        columns = [*map(raw, file.header), WHOLE_RECORD]
        schema = StructType([StructField(name, StringType()) for name in columns])
        # Lines can be shared between tasks. Records that span lines cannot: such a file is one task's.
        lines = {"multiLine": True, "lineSep": "\n"} if file.spans_lines else {}
        record = _column(WHOLE_RECORD)
        reader = self._session.read.schema(schema).options(**READING, **lines)
        rows = reader.csv(self._files.readable(file.uri))
        absent = sql.lit(None).cast("string")
        fields = (
            _without_returns(columns[:-1]) if file.spans_lines else {name: _column(name) for name in columns}
        )
        texts = [
            (sql.coalesce(fields[raw(name)], sql.lit("")) if name in file.header else absent).alias(raw(name))
            for name in names
        ]
        return rows.filter(record.isNull() | ~record.rlike(BLANK_RECORD)).select(
            *texts, sql.lit(file.uri).alias(SOURCE), record.isNotNull().alias(RAGGED)
        )


def _frame(native: Any) -> Frame:
    frame: Frame = nw.from_native(native)
    return frame


def _without_returns(columns: Sequence[str]) -> dict[str, Any]:
    """The fields without the carriage return of a line's end, which is in the last field of the line."""
    found = {}
    for name, following in zip_longest(columns, columns[1:]):
        bare = sql.regexp_replace(_column(name), r"\r\z", "")
        is_last = sql.lit(True)
        if following:
            is_last = _column(WHOLE_RECORD).isNotNull() & _column(following).isNull()
        found[name] = sql.when(is_last, bare).otherwise(_column(name))
    return found


def _csv_line(frame: Any) -> Any:
    """One text column, quoted as Polars quotes: Spark's own writer leaves a lone carriage return bare."""
    return sql.concat_ws(",", *(_csv_field(name, kind) for name, kind in frame.dtypes))


def _csv_field(name: str, kind: str) -> Any:
    text = _column(name).cast("string")
    if kind == "string":
        quoted = sql.concat(sql.lit('"'), sql.replace(text, sql.lit('"'), sql.lit('""')), sql.lit('"'))
        text = sql.when(text.rlike(NEEDS_QUOTES) | (text == ""), quoted).otherwise(text)
    return sql.coalesce(text, sql.lit(""))


def _header_line(names: Sequence[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(names)
    return line.getvalue().encode()


def _column(name: str) -> Any:
    """A column by its whole name: dots mean nothing."""
    return sql.col("`{}`".format(name.replace("`", "``")))
