"""Small tables in the curated form, and the project's contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from ops.names import ROOT
from pipeline_code import job

HEADER = "PassengerId,Survived,Pclass,Sex,Age,SibSp,Parch,Fare,Embarked"


@pytest.fixture
def contract_path() -> Path:
    return ROOT / "contracts" / "titanic.json"


@pytest.fixture
def contract(contract_path: Path) -> job.Contract:
    return job.read_contract(contract_path)


@pytest.fixture
def curated(tmp_path: Path) -> Callable[..., Path]:
    """Writes one curated table and returns its channel's folder."""

    def write(*rows: str, header: str = HEADER, channel: str = "train", end: str = "\n") -> Path:
        folder = tmp_path / "input" / channel
        folder.mkdir(parents=True, exist_ok=True)
        text = end.join([header, *rows, ""])
        (folder / f"{channel}.csv").write_bytes(text.encode())
        return folder

    return write


@pytest.fixture
def labelled(tmp_path: Path) -> Callable[..., Path]:
    """Writes a table as preprocessing leaves it and returns its channel's folder."""

    def write(rows: Iterable[str], channel: str = "train") -> Path:
        folder = tmp_path / "labelled" / channel
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{channel}.csv").write_text("".join(f"{row}\n" for row in rows))
        return folder

    return write


@pytest.fixture
def learnable() -> list[str]:
    """Rows whose label mostly follows from the second feature (Sex), with some values missing."""
    draw = np.random.default_rng(7)
    rows = []
    for _ in range(200):
        sex = draw.integers(2)
        label = sex if draw.random() < 0.85 else 1 - sex
        age = "" if draw.random() < 0.2 else f"{draw.uniform(1, 80):.1f}"
        fare = f"{draw.uniform(5, 100):.4f}"
        rows.append(f"{label},{draw.integers(1, 4)},{sex},{age},0,0,{fare},{draw.integers(3)}")
    return rows
