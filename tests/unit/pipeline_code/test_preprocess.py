from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_code import job, preprocess

DEAD = "1,0,3,0,22,1,0,7.25,2"
ALIVE = "2,1,1,1,,1,0,71.2833,"


def test_writes_the_label_first_without_header_and_values_as_they_were(
    curated: Callable[..., Path], contract: job.Contract, tmp_path: Path
) -> None:
    counts = preprocess.convert(curated(DEAD, ALIVE), tmp_path / "out" / "train.csv", contract)
    assert (tmp_path / "out" / "train.csv").read_bytes() == b"0,3,0,22,1,0,7.25,2\n1,1,1,,1,0,71.2833,\n"
    assert counts == {0.0: 1, 1.0: 1}


def test_takes_columns_in_any_order_and_lets_others_be(
    curated: Callable[..., Path], contract: job.Contract, tmp_path: Path
) -> None:
    header = "Cabin,Embarked,Fare,Parch,SibSp,Age,Sex,Pclass,Survived,PassengerId"
    folder = curated('"C85, C86",0,71.2833,0,1,38,1,1,1,2', ",2,7.25,0,1,22,0,3,0,1", header=header)
    preprocess.convert(folder, tmp_path / "train.csv", contract)
    assert (tmp_path / "train.csv").read_text() == "1,1,1,38,1,0,71.2833,0\n0,3,0,22,1,0,7.25,2\n"


def test_reads_crlf_a_byte_order_mark_and_blank_lines(
    curated: Callable[..., Path], contract: job.Contract, tmp_path: Path
) -> None:
    header = "\ufeffPassengerId,Survived,Pclass,Sex,Age,SibSp,Parch,Fare,Embarked"
    folder = curated(DEAD, ALIVE, "", header=header, end="\r\n")
    assert preprocess.convert(folder, tmp_path / "train.csv", contract).total() == 2
    assert b"\r" not in (tmp_path / "train.csv").read_bytes()


def test_joins_the_files_of_a_channel_in_name_order(
    curated: Callable[..., Path], contract: job.Contract, tmp_path: Path
) -> None:
    folder = curated(DEAD)
    (folder / "a.csv").write_text((folder / "train.csv").read_text().replace(DEAD, ALIVE))
    preprocess.convert(folder, tmp_path / "train.csv", contract)
    assert (tmp_path / "train.csv").read_text().startswith("1,1,1,,")


@pytest.mark.parametrize(
    ("rows", "error", "says"),
    [
        ([], job.EmptyTable, "no row"),
        ([DEAD], job.SingleClassTarget, "Survived is 0 in every row"),
        ([DEAD, "2,1,4,1,,1,0,71,"], job.InvalidValue, "Pclass is none of 1, 2, 3 in line 3 of train.csv"),
        ([DEAD, "2,,1,1,,1,0,71,"], job.InvalidValue, "Survived is missing in line 3"),
        ([",0,3,0,22,1,0,7.25,2"], job.InvalidValue, "PassengerId is missing in line 2"),
        ([DEAD, "2,1,1,1"], job.InvalidValue, "line 3 of train.csv has 4 fields where the header has 9"),
        ([DEAD, '2,1,1,"1'], job.NotACsv, "unexpected end of data"),
    ],
)
def test_refuses_a_table_that_breaks_the_contract(
    *,
    curated: Callable[..., Path],
    contract: job.Contract,
    tmp_path: Path,
    rows: list[str],
    error: type[job.JobError],
    says: str,
) -> None:
    with pytest.raises(error, match=says):
        preprocess.convert(curated(*rows), tmp_path / "train.csv", contract)


@pytest.mark.parametrize(
    ("header", "error", "says"),
    [
        (
            "PassengerId,Survived,Pclass,Sex,Age,SibSp,Parch,Fare,Port",
            job.MissingColumn,
            "no column Embarked",
        ),
        ("", job.MissingColumn, "no column PassengerId, Survived"),
        (DEAD, job.MissingColumn, "Publish the curated table again"),
        (
            "PassengerId,Survived,Pclass,Sex,Age,SibSp,Parch,Fare,Embarked,Age",
            job.DuplicateColumn,
            "Age more than once",
        ),
    ],
)
def test_refuses_a_header_that_is_not_the_contracts(
    *,
    curated: Callable[..., Path],
    contract: job.Contract,
    tmp_path: Path,
    header: str,
    error: type[job.JobError],
    says: str,
) -> None:
    with pytest.raises(error, match=says):
        preprocess.convert(curated(DEAD, ALIVE, header=header), tmp_path / "train.csv", contract)


@pytest.mark.parametrize("content", [b"\x00\x01\xff\xfe\x89PNG", "PassengerId,Überlebt".encode("latin-1")])
def test_refuses_what_is_not_text(tmp_path: Path, contract: job.Contract, content: bytes) -> None:
    (tmp_path / "train.csv").write_bytes(content)
    with pytest.raises(job.NotACsv, match="not UTF-8 text"):
        preprocess.convert(tmp_path, tmp_path / "out" / "train.csv", contract)


def test_main_converts_both_channels(
    curated: Callable[..., Path], contract_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--contract", str(contract_path)]
    for channel in ("train", "validation"):
        arguments += [f"--{channel}", str(curated(DEAD, ALIVE, channel=channel))]
        arguments += [f"--{channel}-output", str(tmp_path / "out" / channel)]
    assert preprocess.main(arguments) == 0
    written = sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")
    )
    assert written == ["train/train.csv", "validation/validation.csv"]
    assert "validation: wrote 2 rows, 1 of class 0, 1 of class 1" in capsys.readouterr().out
