"""Every runbook that a message names is there, is listed, and uses commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from functions.common import notification
from functions.common.message import RUNBOOKS
from ops.cli import app

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / RUNBOOKS
RUNBOOK_FILES = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
NAMED_IN_CODE = re.compile(r'\brunbook\("([^"]+)"\)')
NAMED_IN_FILE = re.compile(rf"{RUNBOOKS}/([\w-]+)\.md")
COMMAND = re.compile(r"^(?:\$ )?titanic ([a-z]+)", re.MULTILINE)
SECTIONS = ("How it comes", "What it means", "Look here first", "How to know it is over", "When to escalate")


def named_runbooks() -> set[str]:
    """Those that any function can write into a message, and those that event rules and alarms name."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "functions").rglob("*.py")]
    files = [ROOT / "events/rules.json", *ROOT.glob("terraform/*/alarms.json")]
    in_files = {name for path in files for name in NAMED_IN_FILE.findall(path.read_text(encoding="utf-8"))}
    in_code = {name for source in sources for name in NAMED_IN_CODE.findall(source)}
    return in_code | set(notification.RUNBOOKS.values()) | in_files


@pytest.mark.parametrize("name", sorted(named_runbooks()))
def test_a_runbook_that_a_message_names_is_there(name: str) -> None:
    assert (FOLDER / f"{name}.md").is_file()


@pytest.mark.parametrize("path", RUNBOOK_FILES, ids=lambda path: path.stem)
def test_a_runbook_is_listed(path: Path) -> None:
    assert f"]({path.name})" in (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", RUNBOOK_FILES, ids=lambda path: path.stem)
def test_a_runbook_says_how_it_begins_and_how_it_ends(path: Path) -> None:
    headings = re.findall(r"^## (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)


@pytest.mark.parametrize("path", RUNBOOK_FILES, ids=lambda path: path.stem)
def test_a_runbooks_commands_exist(path: Path) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(COMMAND.findall(path.read_text(encoding="utf-8"))) <= set(commands)
