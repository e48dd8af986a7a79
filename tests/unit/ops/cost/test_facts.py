"""What is priced is what the project's files say, not a copy of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.cost.facts import ENDS, Facts
from ops.names import ROOT
from ops.stack.base import MACHINES

Change = Callable[[str, Callable[[Any], None]], Facts]


@pytest.fixture
def changed(tmp_path: Path) -> Change:
    """The project's files in a copy, one of them changed."""
    for folder in ("events", "functions", "glue_jobs", "statemachines", "terraform"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.py", ".terraform"))

    def change(path: str, edit: Callable[[Any], None]) -> Facts:
        document = json.loads((tmp_path / path).read_text(encoding="utf-8"))
        edit(document)
        (tmp_path / path).write_text(json.dumps(document), encoding="utf-8")
        return Facts(tmp_path)

    return change


def test_every_machine_has_a_good_end_and_a_way_to_it() -> None:
    assert set(ENDS) == {path.name.partition(".")[0] for path in (ROOT / MACHINES).glob("*.asl.json")}
    for machine, end in ENDS.items():
        path = Facts().happy_path(machine)
        states = Facts().states(machine)
        assert path[-1] == end
        assert states[end]["Type"] == "Succeed"
        assert len(path) == len(set(path))
        assert not [name for name in path if "Fail" in name or "Reject" in name or "Declin" in name]


@pytest.mark.parametrize("machine", ENDS)
def test_every_lambda_that_a_state_calls_is_found(machine: str) -> None:
    facts = Facts()
    called = [
        facts.function_of(state)
        for state in facts.states(machine).values()
        if ":lambda:" in state.get("Resource", "")
    ]
    assert called
    assert set(called) <= set(facts.functions)


def test_a_machine_that_is_changed_is_priced_as_changed(changed: Change) -> None:
    def larger(definition: Any) -> None:
        definition["States"]["CreateTransformJob"]["Parameters"]["TransformResources"] = {
            "InstanceType": "ml.m5.xlarge",
            "InstanceCount": 3,
        }

    facts = changed("statemachines/batch_inference.asl.json", larger)
    assert (facts.transform.instance, facts.transform.count) == ("ml.m5.xlarge", 3)


def test_workers_memory_and_schedules_are_read_too(changed: Change) -> None:
    def fewer(job: Any) -> None:
        job["number_of_workers"], job["worker_type"] = 7, "G.2X"

    facts = changed("glue_jobs/prepare.json", fewer)
    assert (facts.glue.workers, facts.glue.worker) == (7, "G.2X")
    facts = changed(
        "functions/functions.json", lambda file: file["functions"]["eval_metrics"].update(memory_size=3008)
    )
    assert facts.functions["eval_metrics"].memory_mb == 3008
    facts = changed(
        "events/schedules.json", lambda file: file["weekly_training"].update(expression="rate(1 day)")
    )
    [training] = [each for each in facts.schedules if each.target == "training"]
    assert training.runs_a_month == pytest.approx(365 / 12)


def test_a_weekly_schedule_is_due_52_times_a_year() -> None:
    due = {schedule.name: schedule.runs_a_month for schedule in Facts().schedules}
    assert due["weekly_training"] == pytest.approx(365 / 7 / 12)


def test_one_more_function_is_watched_by_more_alarms(changed: Change) -> None:
    def one_more(file: Any) -> None:
        file["functions"]["another"] = file["functions"]["create_model"]

    kinds = json.loads(
        (ROOT / "terraform/06_orchestration_observability/alarms.json").read_text(encoding="utf-8")
    )
    more = changed("functions/functions.json", one_more).alarms - Facts().alarms
    assert more == len(kinds["metric"]["machine_function"]["alarms"])
