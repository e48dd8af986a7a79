"""The Glue job of state `PrepareData`: a raw table in, a curated one out, its bad rows set aside.

    python prepare.py --mode training --run_id R --source_uri s3://b/raw/t.csv --bucket B --contract t.json

Writes, in this order: `quarantine/<run_id>/rejected.csv` (if a row was rejected), the curated files below
`curated/runs/<run_id>/`, `runs/<run_id>/data_report.json` and last, for training, the copies
`curated/train.csv` and `curated/validation.csv`. The same source and run id give the same bytes. When the job
fails, nothing new stands below `curated/` unless it failed while writing there, and the fixed copies are old.

Named failures (`glue_jobs.errors`) end as one last line `ErrorName: sentence` on stderr and exit code 1: the
run's record reads that line. Whatever else is raised keeps its traceback.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import boto3
from boto3.s3.transfer import TransferConfig

from glue_jobs.contract import Column, Contract, load_contract
from glue_jobs.engines import Engine, ParserDisagrees, choose_engine, part_name
from glue_jobs.errors import EmptySource, InvalidArguments, NotACsv, PrepareError, SourceChanged
from glue_jobs.report import Report, check_rows, check_target, data_report
from glue_jobs.source import (
    CHUNK_BYTES,
    CheckedFile,
    Digest,
    SourceFile,
    check_file,
    find_files,
    first_line_with_odd_quotes,
    read_chunks,
)
from glue_jobs.transforms import (
    DUPLICATE,
    RAGGED_LINE,
    Frame,
    accepted,
    believed_ids,
    classify,
    encoded,
    mark_duplicates,
    part,
    reason_key,
    rejected,
    summary,
    value,
)

MODES = ("training", "inference")
ENGINES = ("auto", "polars", "spark")
ROWS_PER_PART = 100_000  # 3 MB: one payload of batch transform, small enough to share evenly between workers
IN_ONE_REQUEST = TransferConfig(multipart_threshold=5 << 30)  # as large as CopyObject takes
RUN_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# A script on Glue gets the job's own parameters too, so these are let through and nothing else is:
# https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
GLUE_ARGUMENTS = re.compile(
    r"--(JOB_(ID|NAME|RUN_ID)|TempDir|RedshiftTempDir|scriptLocation|class|conf"
    r"|(additional|continuous-log|customer|datalake|disable|enable|encryption|executor|extra|job|library"
    r"|observability|python|security|spark|use|user|write)[-_].+)"
)


@dataclass(frozen=True)
class Arguments:
    """The job's own arguments, checked."""

    mode: str
    run_id: str
    source_uri: str
    bucket: str
    contract: Path
    engine: str

    @property
    def is_training(self) -> bool:
        return self.mode == "training"

    @property
    def quarantine_uri(self) -> str:
        return self.uri(f"quarantine/{self.run_id}/rejected.csv")

    @property
    def report_key(self) -> str:
        return f"runs/{self.run_id}/data_report.json"

    def curated_key(self, name: str) -> str:
        return f"curated/runs/{self.run_id}/{name}"

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Read the command line.

    Raises:
        InvalidArguments: one is missing, malformed, or neither ours nor Glue's.
    """
    parser = _Parser(prog="prepare.py", allow_abbrev=False)
    parser.add_argument("--mode", choices=MODES, required=True)
    parser.add_argument("--run_id", type=_run_id, required=True)
    parser.add_argument("--source_uri", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--contract", type=Path, required=True)
    parser.add_argument("--engine", choices=ENGINES, default="auto")
    ours, others = parser.parse_known_args(argv)
    unknown = [other for other in others if other.startswith("-") and not _is_glues(other)]
    if unknown or (others and not others[0].startswith("-")):
        parser.error(f"unknown argument {(unknown or others)[0]!r}")
    return Arguments(**vars(ours))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidArguments(f"{message}; the job takes {self.format_usage().removeprefix('usage: ')}")


def _run_id(text: str) -> str:
    if not RUN_ID_PATTERN.fullmatch(text):
        raise argparse.ArgumentTypeError("letters, digits, dot, dash and underscore only, at most 100")
    return text


def _is_glues(argument: str) -> bool:
    return GLUE_ARGUMENTS.fullmatch(argument.partition("=")[0]) is not None


def main(argv: Sequence[str]) -> None:
    """Run the job; returns when everything is published.

    Raises:
        PrepareError: an outcome with a name, see `glue_jobs.errors`.
    """
    arguments = parse_arguments(argv)
    contract = load_contract(arguments.contract)
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    s3 = boto3.client("s3", region_name=region)
    Preparation(arguments, contract, choose_engine(arguments.engine, os.environ, s3), s3, Log()).run()


class Log:
    """Progress on stdout, which Glue and the local cloud send to the job's log group."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"prepare: [{time.monotonic() - self._started:6.2f} s] {text}", flush=True)


@dataclass(frozen=True)
class Preparation:
    """One run of the job: `s3` for small things, the engine for rows."""

    arguments: Arguments
    contract: Contract
    engine: Engine
    s3: Any
    log: Log

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.contract.curated_columns(with_target=self.arguments.is_training)

    def run(self) -> None:
        self.log(f"{self.arguments.mode} run {self.arguments.run_id} reads {self.arguments.source_uri}")
        files = find_files(self.s3, self.arguments.source_uri)
        digest = hashlib.sha256()
        checked = self._check(files, digest)
        try:
            classified, bad = self._classify(checked)
            report = self._judge(classified, bad, checked, digest.hexdigest())
            written = self._write_curated(classified, report["rows_out"])
        except ParserDisagrees as disagreement:
            raise self._ambiguous_quotes(files) from disagreement
        if find_files(self.s3, self.arguments.source_uri) != files:
            raise SourceChanged(f"{self.arguments.source_uri} changed while it was read: start the run again")
        self._write_report(report | {"data_sha256": self._hash(written)})
        self._publish(written)
        self.log("done")

    def _check(self, files: Sequence[SourceFile], digest: Digest) -> list[CheckedFile]:
        required = [column.name for column in self.columns]
        found = [check_file(file.uri, read_chunks(self.s3, file), required, digest) for file in files]
        checked = [file for file in found if file is not None]
        rows = sum(file.rows for file in checked)
        if not rows:
            what = "has a header and no rows" if checked else "is empty"
            raise EmptySource(
                f"{self.arguments.source_uri} {what}: put the table there and start the run again"
            )
        size = sum(file.size for file in files)
        self.log(
            f"checked {rows} rows, {size} bytes in {len(files)} files, {len(files) - len(checked)} empty"
        )
        return checked

    def _classify(self, checked: Sequence[CheckedFile]) -> tuple[Frame, Frame]:
        """Every row's numbers and verdict, and the bad rows as they were read; the source is read once more
        only when an id is there twice."""
        every = classify(self.engine.scan(checked), self.contract, self.columns)
        classified, bad = self._hold(every, checked)
        ids = self.engine.repeated(believed_ids(classified, self.contract))
        if ids is None:
            return classified, bad
        flagged = self.engine.flag(every, value(self.contract.id), ids, DUPLICATE)
        return self._hold(mark_duplicates(flagged), checked)

    def _hold(self, classified: Frame, checked: Sequence[CheckedFile]) -> tuple[Frame, Frame]:
        headers = _headers(checked)
        numbers, bad = self.engine.hold([encoded(classified, self.columns), rejected(classified, headers)])
        return numbers, bad

    def _judge(
        self, classified: Frame, bad: Frame, checked: Sequence[CheckedFile], source_sha256: str
    ) -> Report:
        """Count, set the bad rows aside, and stop here when the table cannot be used.

        The report is written either way: with the counts a person sees what is wrong.
        """
        [counts] = self.engine.collect(summary(classified, self.contract, self.columns))
        ragged = counts[reason_key(RAGGED_LINE)]
        if (counts["rows"], ragged) != (
            sum(one.rows for one in checked),
            sum(len(one.ragged) for one in checked),
        ):
            raise ParserDisagrees
        report = self._about_the_run(_headers(checked), source_sha256) | data_report(
            counts, self.contract, self.columns
        )
        self.log(f"accepted {report['rows_out']} rows, quarantined {report['rows_quarantined']}")
        if report["rows_quarantined"]:
            self.log(f"reasons {report['quarantine_reasons']}, rows in {self.arguments.quarantine_uri}")
            self.engine.write_csv({self.arguments.quarantine_uri: bad}, header=True)
        try:
            check_rows(report, self.contract, self.arguments.quarantine_uri)
            if self.arguments.is_training:
                check_target(counts, self.contract)
        except PrepareError:
            self._write_report(report | {"data_sha256": None})
            raise
        return report

    def _about_the_run(self, headers: Sequence[str], source_sha256: str) -> Report:
        used = {column.name for column in self.columns}
        return {
            "run_id": self.arguments.run_id,
            "mode": self.arguments.mode,
            "contract": {"name": self.contract.name, "version": self.contract.version},
            "source_uri": self.arguments.source_uri,
            "source_sha256": source_sha256,
            "ignored_columns": [header for header in headers if header not in used],
        }

    def _write_curated(self, classified: Frame, rows: int) -> list[str]:
        """The run's own files. Their keys, in the order they are hashed and published."""
        if self.arguments.is_training:
            keys = self._write_training(classified)
        else:
            keys = self._write_inference(classified, rows)
        self.log(f"wrote {', '.join(keys)}")
        return keys

    def _write_training(self, classified: Frame) -> list[str]:
        """Two files with headers: the training container reads columns by name."""
        frames = {
            self.arguments.curated_key("train.csv"): part(classified, self.columns, validation=False),
            self.arguments.curated_key("validation.csv"): part(classified, self.columns, validation=True),
        }
        self.engine.write_csv({self.arguments.uri(key): frame for key, frame in frames.items()}, header=True)
        return list(frames)

    def _write_inference(self, classified: Frame, rows: int) -> list[str]:
        """Parts without headers, as batch transform takes them: it gives each to one worker."""
        folder = self.arguments.curated_key("inference/")
        self.engine.write_parts(self.arguments.uri(folder), accepted(classified, self.columns), ROWS_PER_PART)
        return [f"{folder}{part_name(number)}" for number in range(-(-rows // ROWS_PER_PART))]

    def _hash(self, keys: Sequence[str]) -> str:
        """SHA-256 of the objects' bytes, one after the other."""
        digest = hashlib.sha256()
        for key in keys:
            body = self.s3.get_object(Bucket=self.arguments.bucket, Key=key)["Body"]
            for chunk in body.iter_chunks(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def _write_report(self, report: Report) -> None:
        body = json.dumps(report, indent=2, allow_nan=False) + "\n"
        self.s3.put_object(
            Bucket=self.arguments.bucket,
            Key=self.arguments.report_key,
            Body=body.encode(),
            ContentType="application/json",
        )
        self.log(f"wrote {self.arguments.report_key}")

    def _publish(self, keys: Sequence[str]) -> None:
        """Copy the run's training files to their fixed names, inside S3."""
        if not self.arguments.is_training:
            return
        for key in keys:
            published = f"curated/{key.rpartition('/')[2]}"
            source = {"Bucket": self.arguments.bucket, "Key": key}
            self.s3.copy(source, self.arguments.bucket, published, Config=IN_ONE_REQUEST)
            self.log(f"published {published}")

    def _ambiguous_quotes(self, files: Sequence[SourceFile]) -> NotACsv:
        for file in files:
            line = first_line_with_odd_quotes(file.uri, read_chunks(self.s3, file))
            if line is not None:
                return NotACsv(
                    f"quotes do not pair up in {file.uri}, first on line {line}: "
                    "put a field that holds a quote in quotes and double the quote inside"
                )
        return NotACsv(
            f"quotes in {self.arguments.source_uri} can be read in two ways: quote whole fields only"
        )


def _headers(checked: Sequence[CheckedFile]) -> list[str]:
    """The names of all files' fields, each once."""
    return list(dict.fromkeys(name for file in checked for name in file.header))


def print_named_errors(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An exception hook. The error itself propagates, so that Glue reports its name and not `SystemExit`."""
    if isinstance(error, PrepareError):
        print(error.last_line(), file=sys.stderr, flush=True)
    else:
        sys.__excepthook__(kind, error, trace)


if __name__ == "__main__":
    sys.excepthook = print_named_errors
    main(sys.argv[1:])
