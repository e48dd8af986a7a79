"""What the three job scripts share: named errors, the data contract, the tables, and how a job ends.

JobError
├── InvalidArgument     a command-line argument that the script does not know or cannot read
├── InvalidContract     the contract file is missing or is not a contract
├── MissingInput        a channel's folder holds no CSV file
├── NotACsv             a file is not UTF-8 text in CSV form
├── EmptyTable          a table has no row
├── MissingColumn       a column of the contract is not in the header
├── DuplicateColumn     ... or is there twice
├── InvalidValue        a value that the contract does not allow
├── SingleClassTarget   a table whose target has one class only: nothing can be learned or measured
├── UnsafeArchive       model.tar.gz has a member that points outside its folder, or is not a plain file
├── MissingModel        model.tar.gz is not there, or holds no `xgboost-model`
├── UnreadableModel     `xgboost-model` is not one that XGBoost can load
└── FeatureMismatch     the model was trained on other features than the contract's

The name and the sentence are the last line a failing job writes to stderr, which is what people read in
its log, in the failure reason and in the alert.

How the scripts import this module: the same file is `pipeline.code.job` when the training toolkit runs
`python -m pipeline.code.train`, `pipeline_code.job` in the repository, and just `job` when a Processing
container runs `python3 .../pipeline/code/preprocess.py`, where Python puts the script's folder first on
its path and knows of no package. So each script asks whether it has a package and imports accordingly;
this module imports nothing of ours.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL_FILE = "xgboost-model"  # alone in model.tar.gz: the serving code loads every file there as a model
FLOAT32_MAX = 3.4028234663852886e38  # XGBoost stores features as float32: more becomes infinite
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)  # float() also takes 1_000 and nan
MESSAGE_BYTES = 1024  # SageMaker keeps this much of a Processing job's exit message


class JobError(Exception):
    """A failure that the job can name. The message says what, where, and what to do next."""

    def __str__(self) -> str:
        return " ".join(super().__str__().split())  # one line: it is read as the last line


class InvalidArgument(JobError):
    pass


class InvalidContract(JobError):
    pass


class MissingInput(JobError):
    pass


class NotACsv(JobError):
    pass


class EmptyTable(JobError):
    pass


class MissingColumn(JobError):
    pass


class DuplicateColumn(JobError):
    pass


class InvalidValue(JobError):
    pass


class SingleClassTarget(JobError):
    pass


class UnsafeArchive(JobError):
    pass


class MissingModel(JobError):
    pass


class UnreadableModel(JobError):
    pass


class FeatureMismatch(JobError):
    pass


@dataclass(frozen=True)
class Column:
    """One column of the curated table, where every value is a number in text form or blank."""

    name: str
    nullable: bool
    whole: bool = False
    allowed: frozenset[float] | None = None
    minimum: float = -FLOAT32_MAX
    maximum: float = FLOAT32_MAX

    def objection(self, text: str) -> str | None:
        """Why the contract refuses this value, or None when it is fine."""
        if not text:
            return None if self.nullable else "is missing"
        if not NUMBER.fullmatch(text):
            return "is not a number"
        return self._objection_to(float(text))

    def _objection_to(self, value: float) -> str | None:
        if self.allowed is not None:
            choices = ", ".join(f"{choice:g}" for choice in sorted(self.allowed))
            return None if value in self.allowed else f"is none of {choices}"
        if not self.minimum <= value <= self.maximum:
            return f"is outside {self.minimum:g} to {self.maximum:g}"
        return "is not a whole number" if self.whole and value % 1 else None


@dataclass(frozen=True)
class Contract:
    """What the scripts need of the data contract, in the curated (encoded) form of its values."""

    id: Column
    target: Column
    features: tuple[Column, ...]

    @property
    def feature_names(self) -> list[str]:
        return [column.name for column in self.features]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every column a curated table must have."""
        return (self.id, *self.labelled)

    @property
    def labelled(self) -> tuple[Column, ...]:
        """The columns XGBoost gets, label first."""
        return (self.target, *self.features)


def read_contract(path: Path) -> Contract:
    """The contract in `path`. Raises `InvalidContract`."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        columns = {column["name"]: _column(column) for column in document["columns"]}
        return Contract(
            id=columns[document["id"]],
            target=columns[document["target"]],
            features=tuple(columns[name] for name in document["features"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidContract(f"{path} cannot be used as the data contract: {error!r}.") from error


def _column(document: dict[str, Any]) -> Column:
    allowed = document.get("allowed") or list(document.get("encoding", {}).values())
    return Column(
        name=document["name"],
        nullable=document["nullable"],
        whole=document["type"] == "integer",
        allowed=frozenset(map(float, allowed)) if allowed else None,
        minimum=document.get("minimum", -FLOAT32_MAX),
        maximum=document.get("maximum", FLOAT32_MAX),
    )


def csv_files(channel: Path) -> list[Path]:
    """The CSV files of a channel, in name order. Raises `MissingInput` when there is none."""
    files = sorted(channel.glob("*.csv"))
    if not files:
        held = ", ".join(sorted(path.name for path in channel.glob("*"))) or "nothing"
        raise MissingInput(
            f"{channel} holds no .csv file but {held}: check the URI the job was started with."
        )
    return files


def read_labelled(channel: Path, contract: Contract) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Labels (n,) and features (n, f) of a channel that preprocessing wrote; a missing value is NaN.

    Raises `MissingInput`, `NotACsv`, `EmptyTable`, `FeatureMismatch`, `SingleClassTarget`.
    """
    import numpy as np

    table = np.concatenate([_read_numbers(path) for path in csv_files(channel)])
    expected = 1 + len(contract.features)
    if table.shape[1] != expected:
        raise FeatureMismatch(
            f"{channel} has {table.shape[1]} columns a row instead of {expected}, the label and the "
            "contract's features: run the preprocessing of this same code bundle."
        )
    labels, features = table[:, 0], table[:, 1:]
    require_two_classes(set(np.unique(labels).tolist()), contract, channel)
    return labels, features


def _read_numbers(path: Path) -> NDArray[np.float32]:
    import numpy as np
    import pandas as pd

    try:
        frame = pd.read_csv(path, header=None, dtype=np.float32)
    except pd.errors.EmptyDataError as error:
        raise EmptyTable(f"{path} has no row.") from error
    except ValueError as error:  # pandas' parser errors, and text that is not UTF-8
        raise NotACsv(f"{path} is not a table of numbers without header: {error}.") from error
    numbers: NDArray[np.float32] = frame.to_numpy()
    return numbers


def require_two_classes(classes: set[float], contract: Contract, where: Path) -> None:
    """Raises `SingleClassTarget` when a table's target is always the same."""
    if len(classes) < 2:
        only = ", ".join(f"{value:g}" for value in classes)
        raise SingleClassTarget(
            f"{contract.target.name} is {only} in every row of {where}: both classes are needed, "
            "so check the source table and the split."
        )


class Parser(argparse.ArgumentParser):
    """Refuses what it does not know by a named error instead of a usage text and exit code 2."""

    def __init__(self, description: str) -> None:
        super().__init__(description=description, allow_abbrev=False)
        beside = Path(__file__).resolve().parent / "contract.json"  # where the code bundle has it
        self.add_argument("--contract", type=Path, default=beside, help="the data contract")

    def error(self, message: str) -> NoReturn:
        raise InvalidArgument(f"{message}. Run with --help for the arguments.")


def run(parser: Parser, work: Callable[[argparse.Namespace], None], argv: Sequence[str] | None) -> int:
    """Does the work and returns the exit code: 0, or 1 after naming the error as the last line."""
    arguments = argparse.Namespace()
    try:
        parser.parse_args(argv, arguments)
        work(arguments)
    except Exception as error:
        line = f"{type(error).__name__}: {error}"
        _leave_message(arguments, line)
        if not isinstance(error, JobError):
            raise  # a bug: its traceback ends in the same line
        print(line, file=sys.stderr, flush=True)
        return 1
    return 0


def _leave_message(arguments: argparse.Namespace, line: str) -> None:
    """Processing shows this file as the job's ExitMessage: its FailureReason names only the exit code."""
    path: Path | None = getattr(arguments, "message_file", None)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(line.encode()[:MESSAGE_BYTES].decode(errors="ignore").encode())
