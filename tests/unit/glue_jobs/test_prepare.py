"""The whole job against an S3 that Polars and boto3 reach over HTTP."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from glue_jobs import errors
from glue_jobs import prepare as job
from glue_jobs.contract import load_contract
from glue_jobs.engines import PolarsEngine, storage_options, upload
from glue_jobs.transforms import Frame

ROOT = Path(job.__file__).resolve().parent.parent
HEADER = "PassengerId,Survived,Pclass,Name,Sex,Age,SibSp,Parch,Ticket,Fare,Cabin,Embarked"
CURATED_HEADER = ["PassengerId", "Survived", "Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Embarked"]
RUN_FILES = ["curated/runs/run-1/train.csv", "curated/runs/run-1/validation.csv"]
PUBLISHED = ["curated/train.csv", "curated/validation.csv"]
REPORT = "runs/run-1/data_report.json"
REJECTED = "quarantine/run-1/rejected.csv"


def line(identity: int, survived: object = None, sex: str = "female", age: str = "30") -> str:
    label = identity % 2 if survived is None else survived
    return f'{identity},{label},3,"Doe, Ms. ""Jo"" {identity}",{sex},{age},0,1,A/5 {identity},7.25,,S'


def table(lines: Iterable[str] = (), header: str = HEADER, end: str = "\n") -> str:
    return end.join([header, *lines]) + end


def good_lines(count: int, first: int = 1) -> list[str]:
    return [line(identity) for identity in range(first, first + count)]


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


class TestTraining:
    def test_writes_the_runs_files_the_report_and_the_fixed_copies(
        self, prepare: Any, put: Any, get: Any, keys: Any
    ) -> None:
        prepare(put(table(good_lines(100))))
        assert keys() == [*RUN_FILES, *PUBLISHED, REPORT]
        train, validation = (read(get(key)) for key in RUN_FILES)
        assert list(train[0]) == CURATED_HEADER
        assert len(train) + len(validation) == 100
        assert train[0] == dict(
            zip(CURATED_HEADER, ["1", "1", "3", "1", "30.0", "0", "1", "7.25", "2"], strict=True)
        )
        assert [get(key) for key in PUBLISHED] == [get(key) for key in RUN_FILES]

    def test_reports_what_the_table_held(self, prepare: Any, put: Any, get: Any) -> None:
        data = table([*good_lines(50), line(51, sex="male", age="60"), line(52, age=""), line(53, age="old")])
        uri = put(data)
        prepare(uri)
        report = json.loads(get(REPORT))
        sizes = report.pop("train_rows"), report.pop("validation_rows")
        assert sum(sizes) == 52
        assert min(sizes) > 0
        columns = report.pop("columns")
        assert columns["Age"] == {"missing": 1, "minimum": 30.0, "maximum": 60.0, "mean": 30.588235}
        assert columns["Sex"] == {"missing": 0, "categories": {"male": 1, "female": 51}}
        assert list(columns) == CURATED_HEADER[2:]
        curated = "".join(get(key) for key in RUN_FILES).encode()
        assert report == {
            "run_id": "run-1",
            "mode": "training",
            "contract": {"name": "titanic", "version": 1},
            "source_uri": uri,
            "source_sha256": hashlib.sha256(data.encode()).hexdigest(),
            "ignored_columns": ["Name", "Ticket", "Cabin"],
            "rows_in": 53,
            "rows_out": 52,
            "rows_quarantined": 1,
            "quarantine_reasons": {"Age.not_a_number": 1},
            "target": {"0": 26, "1": 26},
            "data_sha256": hashlib.sha256(curated).hexdigest(),
        }

    def test_a_rerun_gives_the_same_bytes(self, prepare: Any, put: Any, get: Any, keys: Any) -> None:
        uri = put(table([*good_lines(3000), line(3001, age="old"), line(7)]))
        prepare(uri)
        first = {key: get(key) for key in keys()}
        prepare(uri)
        assert {key: get(key) for key in keys()} == first
        assert REJECTED in first

    def test_sets_bad_rows_aside_as_they_were(self, prepare: Any, put: Any, get: Any) -> None:
        uri = put(table([*good_lines(30), line(31, sex="unknown"), line(5), "32,1,3"]))
        prepare(uri)
        found = read(get(REJECTED))
        assert [(one["PassengerId"], one["reason"], one["source"]) for one in found] == [
            ("5", "duplicate_id", uri),
            ("31", "Sex.unknown_category", uri),
            ("5", "duplicate_id", uri),
            ("32", "ragged_line", uri),
        ]
        assert found[1]["Name"] == 'Doe, Ms. "Jo" 31'

    def test_commas_in_quotes_crlf_a_mark_blanks_and_missing_values_are_ordinary(
        self, prepare: Any, put: Any, get: Any
    ) -> None:
        plain = [*good_lines(40), line(41, age=""), line(42, age="")]
        prepare(put(table(plain)))
        expected = [get(key) for key in RUN_FILES]
        odd = [*good_lines(40), line(41, age=" ? "), line(42, age="NA").replace(",S", ", S  ")]
        text = table([*odd, "", "   "], header=HEADER.replace("Sex", " Sex "), end="\r\n")
        prepare(put(text.encode("utf-8-sig")))
        assert [get(key) for key in RUN_FILES] == expected
        assert json.loads(get(REPORT))["rows_in"] == 42

    def test_the_order_of_columns_is_free(self, prepare: Any, put: Any, get: Any) -> None:
        text = table(good_lines(40))
        prepare(put(text))
        expected = [get(key) for key in RUN_FILES]
        backwards = io.StringIO()
        csv.writer(backwards).writerows(record[::-1] for record in csv.reader(io.StringIO(text)))
        prepare(put(backwards.getvalue()))
        assert [get(key) for key in RUN_FILES] == expected

    def test_a_folder_of_files_is_one_table(self, prepare: Any, put: Any, get: Any, bucket: str) -> None:
        put(table(good_lines(20)), "raw/t/a.csv")
        put("Deck," + table([f"B,{one}" for one in good_lines(20, first=21)]), "raw/t/b.csv")
        put(table([line(3), line(41)]), "raw/t/c with blanks + (1)=%.csv")
        put("", "raw/t/empty.csv")
        prepare(f"s3://{bucket}/raw/t/")
        report = json.loads(get(REPORT))
        assert (report["rows_in"], report["quarantine_reasons"]) == (42, {"duplicate_id": 2})
        assert report["ignored_columns"] == ["Name", "Ticket", "Cabin", "Deck"]
        assert [one["source"].rpartition("/")[2] for one in read(get(REJECTED))] == [
            "a.csv",
            "c with blanks + (1)=%.csv",
        ]

    def test_corrected_rejects_may_be_put_beside_the_table(
        self, prepare: Any, put: Any, get: Any, bucket: str
    ) -> None:
        prepare(put(table([*good_lines(30), line(31, age="old"), line(32, age="older")]), "raw/t/a.csv"))
        corrected = get(REJECTED).replace("older", "70")
        put(table(good_lines(30)), "raw/t/a.csv")
        put(corrected, "raw/t/corrected.csv")
        prepare(f"s3://{bucket}/raw/t", run_id="run-2")
        report = json.loads(get("runs/run-2/data_report.json"))
        assert (report["rows_out"], report["quarantine_reasons"]) == (31, {"Age.not_a_number": 1})


class TestInference:
    def test_writes_rows_without_header_with_the_id_first_and_publishes_nothing(
        self, prepare: Any, put: Any, get: Any, keys: Any
    ) -> None:
        header = HEADER.replace("Survived,", "")
        lines = [line(identity, survived="drop").replace(",drop", "") for identity in range(1, 11)]
        bad = lines[0].replace("1,3", "11,3", 1).replace(",30,", ",old,")
        prepare(put(table([*lines, bad], header)), mode="inference")
        assert keys() == ["curated/runs/run-1/inference/part-00000.csv", REJECTED, REPORT]
        rows = list(csv.reader(io.StringIO(get("curated/runs/run-1/inference/part-00000.csv"))))
        assert rows[0] == ["1", "3", "1", "30.0", "0", "1", "7.25", "2"]
        assert [one[0] for one in rows] == [str(number) for number in range(1, 11)]
        report = json.loads(get(REPORT))
        assert (report["rows_in"], report["rows_out"]) == (11, 10)
        assert "target" not in report

    def test_ignores_a_target_and_says_so(self, prepare: Any, put: Any, get: Any) -> None:
        prepare(put(table([line(1, survived="unknown"), line(2, survived="")])), mode="inference")
        report = json.loads(get(REPORT))
        assert report["rows_out"] == 2
        assert report["ignored_columns"] == ["Survived", "Name", "Ticket", "Cabin"]

    def test_one_passenger_is_enough(self, prepare: Any, put: Any, get: Any) -> None:
        prepare(put(table([line(1)])), mode="inference")
        assert get("curated/runs/run-1/inference/part-00000.csv") == "1,3,1,30.0,0,1,7.25,2\n"

    @pytest.mark.parametrize(("rows", "sizes"), [(2, [2]), (3, [3]), (6, [3, 3]), (7, [3, 3, 1])])
    def test_many_rows_become_parts_that_workers_can_share(
        self, prepare: Any, put: Any, get: Any, keys: Any, monkeypatch: pytest.MonkeyPatch,
        rows: int, sizes: list[int],
    ) -> None:  # fmt: skip
        monkeypatch.setattr(job, "ROWS_PER_PART", 3)
        prepare(put(table(good_lines(rows))), mode="inference")
        parts = [f"curated/runs/run-1/inference/part-{number:05d}.csv" for number in range(len(sizes))]
        assert keys() == [*parts, REPORT]
        texts = [get(part) for part in parts]
        assert [text.count("\n") for text in texts] == sizes
        ids = [row.split(",")[0] for row in "".join(texts).splitlines()]
        assert ids == [str(number) for number in range(1, rows + 1)]
        digest = hashlib.sha256("".join(texts).encode()).hexdigest()
        assert json.loads(get(REPORT))["data_sha256"] == digest

    def test_encodes_as_training_does(self, prepare: Any, put: Any, get: Any) -> None:
        uri = put(table(good_lines(30)))
        prepare(uri)
        prepare(uri, mode="inference")
        trained = {one.pop("PassengerId"): one for key in RUN_FILES for one in read(get(key))}
        scored = csv.reader(io.StringIO(get("curated/runs/run-1/inference/part-00000.csv")))
        assert {one[0]: one[1:] for one in scored} == {
            identity: list(one.values())[1:] for identity, one in trained.items()
        }


ROWS = good_lines(30)
BAD_SOURCES: dict[str, tuple[bytes | str, type[errors.PrepareError], str]] = {
    "empty file": ("", errors.EmptySource, "is empty"),
    "blank lines only": ("\n\n", errors.EmptySource, "is empty"),
    "header only": (table(), errors.EmptySource, "has a header and no rows"),
    "no header": (table(ROWS).partition("\n")[2], errors.MissingHeader, "first line"),
    "missing column": (table(ROWS).replace(",Age", ",Years"), errors.MissingColumn, "'Age'"),
    "renamed column": (table(ROWS).replace("Sex", "sex"), errors.MissingColumn, "mean 'sex' for 'Sex'"),
    "duplicated column": (table(ROWS).replace("Cabin", "Fare"), errors.DuplicateColumn, "'Fare'"),
    "UTF-16": (table(ROWS).encode("utf-16"), errors.NotUtf8, "UTF-16"),
    "latin-1": (table([*ROWS, line(31).replace("Jo", "Zoë")]).encode("latin-1"), errors.NotUtf8, "line 32"),
    "binary": (random.Random(1).randbytes(5000), errors.NotACsv, "binary"),  # noqa: S311
    "gzip": (gzip.compress(table(ROWS).encode(), mtime=0), errors.NotACsv, "gzip"),
    "semicolons": (table(ROWS).replace(",", ";"), errors.NotACsv, "separated otherwise"),
    "open quote": (table([*ROWS, '31,1,"3']), errors.NotACsv, "line 32"),
    "bare quotes": (table([*ROWS, '31,0,3,6" x,male', '32,0,3,6" y,male']), errors.NotACsv, "line 32"),
    "all rows bad": (table([line(i, age="old") for i in range(9)]), errors.NoValidRows, "not_a_number: 8"),
    "all rows ragged": (table(["1,2,3"] * 3), errors.NoValidRows, "ragged_line: 3"),
    "too many bad rows": (
        table([*ROWS, *(line(i, age="old") for i in range(31, 40))]), errors.TooManyBadRows, "9 of 39 rows",
    ),
    "the table twice": (table(ROWS * 2), errors.NoValidRows, "duplicate_id: 60"),
    "one class": (table([line(i, 1) for i in range(1, 31)]), errors.SingleClassTarget, "30 rows with 1"),
    "two rows": (table([line(1), line(2)]), errors.TooFewRows, "2 rows are too few"),
    "one class to validate on": (
        table([line(i, survived=i == 6) for i in range(1, 30)]).replace("True", "1").replace("False", "0"),
        errors.SingleClassTarget,
        "part has one value",
    ),
}  # fmt: skip


class TestBadInput:
    @pytest.mark.parametrize("bad", BAD_SOURCES.values(), ids=BAD_SOURCES.keys())
    def test_stops_with_a_named_error_and_publishes_nothing(
        self, prepare: Any, put: Any, curated: Any, bad: tuple[bytes | str, type[errors.PrepareError], str]
    ) -> None:
        data, error, said = bad
        put("last week's", "curated/train.csv")
        uri = put(data)
        with pytest.raises(error, match=said) as raised:
            prepare(uri)
        assert raised.value.last_line().startswith(f"{error.__name__}: ")
        assert "\n" not in raised.value.last_line()
        assert curated() == {"curated/train.csv": "last week's"}

    def test_rejects_are_kept_when_they_stop_the_run(self, prepare: Any, put: Any, get: Any) -> None:
        with pytest.raises(errors.NoValidRows, match=REJECTED):
            prepare(put(table([line(1, age="old"), line(2, age="young")])))
        assert [one["Age"] for one in read(get(REJECTED))] == ["old", "young"]
        report = json.loads(get(REPORT))
        assert (report["rows_in"], report["rows_out"], report["data_sha256"]) == (2, 0, None)

    @pytest.mark.parametrize("key", ["raw/none.csv", "raw/non"])
    def test_says_when_nothing_is_there(self, prepare: Any, bucket: str, keys: Any, key: str) -> None:
        with pytest.raises(errors.SourceNotFound, match=key):
            prepare(f"s3://{bucket}/{key}")
        assert keys() == []

    def test_says_when_the_folder_is_empty(self, prepare: Any, bucket: str) -> None:
        with pytest.raises(errors.EmptySource):
            prepare(f"s3://{bucket}/raw/")

    def test_names_the_file_of_a_folder_that_is_bad(self, prepare: Any, put: Any, bucket: str) -> None:
        put(table(ROWS), "raw/t/a.csv")
        put(table(ROWS, HEADER.replace("Age", "age")), "raw/t/b.csv")
        with pytest.raises(errors.MissingColumn, match=r"raw/t/b\.csv"):
            prepare(f"s3://{bucket}/raw/t")

    def test_no_message_quotes_a_passenger(self, prepare: Any, put: Any) -> None:
        for data, _, _ in BAD_SOURCES.values():
            with pytest.raises(errors.PrepareError) as raised:
                prepare(put(data))
            assert "Doe" not in str(raised.value)


@pytest.fixture
def arguments(bucket: str, contract_path: Path) -> Callable[[str], job.Arguments]:
    return lambda uri: job.Arguments("training", "run-1", uri, bucket, contract_path, "polars")


def test_the_fixed_copies_come_last(
    s3: Any, put: Any, keys: Any, arguments: Any, aws_environment: dict[str, str]
) -> None:
    class WithoutReport:
        def __getattr__(self, name: str) -> Any:
            return getattr(s3, name)

        def put_object(self, **_: Any) -> None:
            raise ConnectionError

    ours = arguments(put(table(ROWS)))
    engine = PolarsEngine(storage_options(aws_environment), partial(upload, s3))
    with pytest.raises(ConnectionError):
        job.Preparation(ours, load_contract(ours.contract), engine, WithoutReport(), job.Log()).run()
    assert keys() == RUN_FILES


def test_a_source_that_changes_under_way_is_not_published(
    s3: Any, put: Any, keys: Any, arguments: Any, aws_environment: dict[str, str]
) -> None:
    class Meddling(PolarsEngine):
        def write_csv(self, frames: Mapping[str, Frame], *, header: bool) -> None:
            super().write_csv(frames, header=header)
            put(table(good_lines(31)))

    engine = Meddling(storage_options(aws_environment), partial(upload, s3))
    ours = arguments(put(table(ROWS)))
    with pytest.raises(errors.SourceChanged):
        job.Preparation(ours, load_contract(ours.contract), engine, s3, job.Log()).run()
    assert not set(PUBLISHED) & set(keys())


@pytest.mark.parametrize("seed", range(4))
def test_rows_in_are_rows_out_and_rows_quarantined(prepare: Any, put: Any, get: Any, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - test data
    faults = [
        lambda text: text.replace("female", "?"),
        lambda text: text.replace(",30,", ",thirty,"),
        lambda text: text + ",one more",
        lambda text: text.rpartition(",")[0],
        lambda text: text.replace("Doe,", "Doe\n,"),
        lambda text: "\n" + text,
    ]
    lines = [chance.choice(faults)(one) if chance.random() < 0.2 else one for one in good_lines(300)]
    prepare(put(table(lines)))
    report = json.loads(get(REPORT))
    assert report["rows_in"] == 300
    assert report["rows_in"] == report["rows_out"] + report["rows_quarantined"]
    assert (
        report["rows_quarantined"] == sum(report["quarantine_reasons"].values()) == len(read(get(REJECTED)))
    )
    assert report["rows_out"] == report["train_rows"] + report["validation_rows"]
    assert [report["train_rows"], report["validation_rows"]] == [len(read(get(key))) for key in RUN_FILES]


class TestArguments:
    GOOD = (
        "--mode",
        "training",
        "--run_id",
        "r",
        "--source_uri",
        "s3://b/t",
        "--bucket",
        "b",
        "--contract",
        "c",
    )

    def test_lets_glues_own_arguments_through(self) -> None:
        found = job.parse_arguments(
            [
                *(
                    *self.GOOD,
                    "--JOB_ID",
                    "j",
                    "--JOB_RUN_ID",
                    "jr",
                    "--JOB_NAME",
                    "n",
                    "--TempDir",
                    "s3://t/",
                ),
                *("--job-bookmark-option", "job-bookmark-disable", "--enable-metrics", "true"),
                *("--extra-py-files", "s3://b/x.zip", "--additional-python-modules", "polars==1"),
                "--job-language=python",
            ]
        )
        assert found == job.Arguments("training", "r", "s3://b/t", "b", Path("c"), "auto")

    @pytest.mark.parametrize(
        ("argv", "said"),
        [
            ((*GOOD, "--source-uri", "s3://b/u"), "unknown argument '--source-uri'"),
            ((*GOOD, "--contracts", "d"), "unknown argument '--contracts'"),
            ((*GOOD, "-x"), "unknown argument '-x'"),
            (("stray", *GOOD), "unknown argument 'stray'"),
            (GOOD[2:], "required: --mode"),
            (("--mode", "scoring", *GOOD[2:]), "invalid choice: 'scoring'"),
            ((*GOOD[:3], "../r", *GOOD[4:]), "letters, digits"),
            ((*GOOD, "--engine", "pandas"), "invalid choice: 'pandas'"),
        ],
    )
    def test_a_typing_error_stops_the_job(self, argv: tuple[str, ...], said: str) -> None:
        with pytest.raises(errors.InvalidArguments, match=said):
            job.parse_arguments(argv)


class TestJobDefinition:
    """glue_jobs/prepare.json against the script it starts and the versions it is tested with."""

    @pytest.fixture
    def defaults(self) -> dict[str, str]:
        definition = json.loads((ROOT / "glue_jobs/prepare.json").read_text(encoding="utf-8"))
        arguments: dict[str, str] = definition["default_arguments"]
        return arguments

    def test_its_default_arguments_are_arguments_of_the_script(self, defaults: dict[str, str]) -> None:
        run = ["--mode", "training", "--run_id", "r", "--source_uri", "s3://b/t.csv"]
        found = job.parse_arguments([*(part for pair in defaults.items() for part in pair), *run])
        assert (found.engine, found.contract) == ("polars", Path("titanic.json"))

    def test_its_modules_have_the_locked_versions(self, defaults: dict[str, str]) -> None:
        locked = (ROOT / "requirements/local.txt").read_text(encoding="utf-8").split()
        modules = defaults["--additional-python-modules"].split(",")
        assert {module.partition("==")[0] for module in modules} == {"narwhals", "polars"}
        assert set(modules) <= set(locked)


class TestAsGlueRunsIt:
    """The script alone, its package in a zip on the path, the contract in the working directory."""

    @pytest.fixture
    def run(self, tmp_path: Path, contract_path: Path, bucket: str, aws_environment: dict[str, str]) -> Any:
        package = Path(job.__file__).parent
        with zipfile.ZipFile(tmp_path / "glue_jobs.zip", "w") as archive:
            for module in package.glob("*.py"):
                archive.write(module, f"glue_jobs/{module.name}")
        shutil.copy(job.__file__, tmp_path / "script.py")
        shutil.copy(contract_path, tmp_path / "titanic.json")

        def start(source_uri: str, contract: str = "titanic.json") -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [
                    *(sys.executable, "script.py", "--JOB_NAME", "prepare", "--mode", "training"),
                    *("--run_id", "run-1", "--source_uri", source_uri, "--bucket", bucket),
                    *("--contract", contract),
                ],
                cwd=tmp_path,
                env=aws_environment | {"PYTHONPATH": "glue_jobs.zip"},
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )

        return start

    def test_succeeds_and_says_what_it_did(self, run: Any, put: Any, keys: Any) -> None:
        done = run(put(table(good_lines(30))))
        assert (done.returncode, done.stderr) == (0, "")
        assert "accepted 30 rows" in done.stdout
        assert set(PUBLISHED) < set(keys())

    def test_a_named_error_is_the_only_line_on_stderr(self, run: Any, put: Any) -> None:
        done = run(put(table(ROWS, HEADER.replace("Sex", "sex"))))
        assert done.returncode == 1
        [last] = done.stderr.splitlines()
        assert last.startswith("MissingColumn: the column is missing in the header of s3://")

    def test_a_contract_that_is_not_there_is_a_named_error_too(self, run: Any, put: Any) -> None:
        done = run(put(table(ROWS)), contract="other.json")
        assert done.stderr.startswith("InvalidContract: cannot read other.json")


def test_a_defect_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise RuntimeError("defect")
    except RuntimeError as error:
        job.print_named_errors(type(error), error, error.__traceback__)
    assert "Traceback" in capsys.readouterr().err
