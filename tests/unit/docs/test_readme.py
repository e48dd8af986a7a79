"""What the README says of the command and the folders is so."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.errors import ExitCode

Rows = Callable[[str], list[list[str]]]


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


def test_the_first_screen_ends_before_line_45(readme: str) -> None:
    first_screen = readme.split("\n## ", maxsplit=1)[0]
    assert "make demo" in first_screen
    assert "make test" in first_screen
    assert len(first_screen.splitlines()) <= 45


def test_every_exit_code_is_listed_and_no_other(readme: str, table_rows: Rows) -> None:
    listed = {int(code) for code, *_ in table_rows(readme) if code.isdigit()}
    assert listed == {int(code) for code in ExitCode}


def test_every_folder_is_listed_and_no_other(readme: str, root: Path) -> None:
    section = readme.split("## What lies where")[1].split("\n## ", maxsplit=1)[0]
    listed = set(re.findall(r"^(\w+)/ ", section, re.MULTILINE))
    made = {line.strip("/\n") for line in (root / ".gitignore").read_text(encoding="utf-8").splitlines()}
    folders = {
        path.name
        for path in root.iterdir()
        if path.is_dir() and not path.name.startswith(".") and path.name not in made
    }
    assert listed == {name for name in folders if not name.endswith(".egg-info")}
