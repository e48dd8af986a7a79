"""The documents, and how to read a table or a drawing in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def table_rows() -> Callable[[str], list[list[str]]]:
    """Every row of every Markdown table in a text, as the cells' texts without code marks."""

    def read(text: str) -> list[list[str]]:
        rows = re.findall(r"^\|(.+)\|$", text, re.MULTILINE)
        return [[cell.strip() for cell in row.replace("`", "").split("|")] for row in rows]

    return read
