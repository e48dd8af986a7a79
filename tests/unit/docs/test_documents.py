"""What the documents repeat from the code is what the code says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.common.errors import FunctionError
from glue_jobs.errors import PrepareError
from pipeline_code.job import JobError

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "events/README.md"]
LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<heading>[^)\s]+))?\)")

Rows = Callable[[str], list[list[str]]]


def named_errors() -> list[str]:
    roots: tuple[type[Exception], ...] = (FunctionError, PrepareError, JobError)
    return sorted({error.__name__ for root in roots for error in subclasses(root)})


def subclasses(root: type[Exception]) -> Iterator[type[Exception]]:
    for child in root.__subclasses__():
        yield child
        yield from subclasses(child)


@pytest.fixture(scope="module")
def phases(root: Path) -> str:
    """The documents of the phases, one after the other."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((root / "docs").glob("0*.md")))


@pytest.mark.parametrize("error", named_errors())
def test_every_named_error_has_a_row_that_says_what_to_do(error: str, phases: str, table_rows: Rows) -> None:
    rows = [row for row in table_rows(phases) if row[0] == error]
    assert rows, f"{error} needs a row in a table of errors in docs/0*.md: what it means and what to do"
    assert all(len(row) >= 3 and all(row) for row in rows)


def test_thresholds_are_those_of_the_project(phases: str, table_rows: Rows) -> None:
    thresholds = json.loads((ROOT / "project.json").read_text(encoding="utf-8"))["thresholds"]
    listed = {row[0]: row[1] for row in table_rows(phases) if row[0] in thresholds and len(row) == 3}
    assert {name: float(value) for name, value in listed.items()} == thresholds


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "iam").glob("*.json")))
def test_a_roles_row_says_what_its_file_says(name: str, phases: str, table_rows: Rows) -> None:
    role = json.loads((ROOT / "iam" / f"{name}.json").read_text(encoding="utf-8"))
    assert [name, ", ".join(role["assumed_by"]), role["description"]] in table_rows(phases)


def test_pipeline_parameters_and_steps_are_those_of_the_definition(phases: str, table_rows: Rows) -> None:
    path = ROOT / "terraform/03_sagemaker_pipeline/pipeline_definition.json.tpl"
    definition = json.loads(path.read_text(encoding="utf-8"))
    steps = [*definition["Steps"], *definition["Steps"][-1]["Arguments"]["IfSteps"]]
    rows = {(row[0], row[1]) for row in table_rows(phases) if len(row) == 3}
    assert {(each["Name"], each["Type"]) for each in [*definition["Parameters"], *steps]} <= rows


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for link in LINK.finditer(document.read_text(encoding="utf-8")):
        target = (document.parent / link["path"]).resolve() if link["path"] else document
        assert target.exists(), link[0]
        if link["heading"]:
            assert link["heading"] in headings(target), link[0]


def headings(document: Path) -> set[str]:
    """Anchors as the repository's host makes them."""
    found = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in found}


def test_the_alarms_table_says_what_the_files_say(table_rows: Rows) -> None:
    document = (ROOT / "docs/06-orchestration-observability.md").read_text(encoding="utf-8")
    rows = [row for row in table_rows(document) if len(row) == 4 and row[0].startswith("…-")]
    assert rows == list(alarm_rows())


def alarm_rows() -> Iterator[list[str]]:
    """Alarm, of what, what it says, whether it tells people; in the files' order."""
    of_06 = json.loads((ROOT / "terraform/06_orchestration_observability/alarms.json").read_text())
    of_04 = json.loads((ROOT / "terraform/04_serving/alarms.json").read_text())
    functions = {"machine_function": "functions of machines", "lone_function": "other functions"}
    things = {
        kind: ", ".join(group.get("things", {})).replace("_", "-") or functions[kind]
        for kind, group in of_06["metric"].items()
    }
    kinds = {kind: group["alarms"] for kind, group in of_06["metric"].items()}
    for kind, alarms in [*kinds.items(), *of_06["composite"].items()]:
        for name, alarm in alarms.items():
            yield alarm_row(name, things[kind], alarm)
    for name, alarm in of_04.items():
        thing, _, short = name.partition("_")
        yield alarm_row(short, thing, alarm)


def alarm_row(name: str, of: str, alarm: dict[str, Any]) -> list[str]:
    return [f"…-{name}", of, alarm["description"], "yes" if alarm["tells_people"] else "no"]
