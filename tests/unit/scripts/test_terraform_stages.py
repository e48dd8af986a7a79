"""What the runner asks Terraform for, in which order, and where the states are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from scripts import terraform_stages
from scripts.terraform_stages import GuardsChanged, Runner, Stage, StageFailed

STAGES = {
    "00_foundations": "",
    "01_jobs": 'variable "bucket" {\n  description = "From 00_foundations: the bucket."\n}\n',
    "05_cicd": 'variable "bucket" {\n  description = "From 00_foundations: the bucket."\n}\n',
    "06_watch": 'variable "job" {\n  description = "From 01_jobs: the job."\n}\n',
}
OUTPUTS = {"00_foundations": {"bucket": {"value": "b"}}, "01_jobs": {"job": {"value": "j"}}}
TAGS = {"project": "p", "env": "dev", "owner": "o", "managed_by": "terraform", "cost_center": "c"}


class Recorded(Runner):
    """Keeps what it would have asked Terraform for: (stage, command, backend there?, options)."""

    changing: frozenset[str] = frozenset({"01_jobs", "06_watch"})

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked: list[tuple[str, str, bool, tuple[str, ...]]] = []

    def _terraform(self, stage: Stage, command: str, *arguments: str) -> str:
        self.asked.append((stage.name, command, (stage.folder / "backend.tf").exists(), arguments))
        if command == "output":
            return json.dumps(OUTPUTS.get(stage.name, {}))
        actions = ["update"] if stage.name in self.changing else ["no-op"]
        change = {"actions": actions, "before": {}, "after": {"tags_all": TAGS}}
        return json.dumps({"resource_changes": [{"address": "a.b", "mode": "managed", "change": change}]})

    def of(self, command: str) -> list[str]:
        return [stage for stage, asked, _, _ in self.asked if asked == command]


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    monkeypatch.setattr("scripts.terraform_stages.provider_settings", lambda _folder: {})
    for name, variables in STAGES.items():
        (tmp_path / "terraform" / name).mkdir(parents=True)
        (tmp_path / "terraform" / name / "variables.tf").write_text(variables)
    return Recorded(tmp_path, {}, state_bucket="states")


def test_ci_applies_what_does_not_limit_it(runner: Recorded) -> None:
    runner.deploy()
    assert runner.of("apply") == ["01_jobs", "06_watch"]
    looked = [
        options for stage, command, _, options in runner.asked if command == "plan" and stage[:2] in "00 05"
    ]
    assert len(looked) == 2
    assert all("-lock=false" in options for options in looked)


def test_ci_applies_nothing_when_its_limits_would_change(runner: Recorded) -> None:
    runner.changing = frozenset({"01_jobs", "05_cicd"})
    with pytest.raises(GuardsChanged, match=r"05_cicd: a\.b"):
        runner.deploy()
    assert runner.of("apply") == []


def test_a_plan_writes_nothing_and_is_of_every_stage(runner: Recorded) -> None:
    assert list(runner.plan()) == list(STAGES)
    assert all("-lock=false" in options for _, command, _, options in runner.asked if command == "plan")
    assert runner.of("apply") == []


def test_every_state_is_in_the_bucket_under_its_stages_name(runner: Recorded) -> None:
    runner.plan()
    for name in STAGES:
        backend = (runner.work / "terraform" / name / "backend.tf").read_text()
        assert 'bucket       = "states"' in backend
        assert f'key          = "{name}.tfstate"' in backend
        assert "use_lockfile = true" in backend


def test_the_first_state_moves_into_the_bucket_that_its_stage_makes(runner: Recorded) -> None:
    runner.bootstrap()
    first = [(command, remote) for stage, command, remote, _ in runner.asked if stage == "00_foundations"]
    assert ("apply", False) in first
    assert first.index(("init", True)) > first.index(("apply", False))
    assert runner.of("apply") == ["00_foundations", "05_cicd"]
    [second] = [
        remote for stage, command, remote, _ in runner.asked if (stage, command) == ("05_cicd", "apply")
    ]
    assert second


def test_the_last_state_leaves_the_bucket_before_it_is_destroyed(runner: Recorded) -> None:
    runner.destroy()
    assert set(runner.of("destroy")) == set(STAGES)
    assert runner.of("destroy")[-1] == "00_foundations"
    last = [(command, remote) for stage, command, remote, _ in runner.asked if stage == "00_foundations"]
    assert last[-2:] == [("init", False), ("destroy", False)]


def test_an_output_that_is_not_there_is_named(runner: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OUTPUTS, "01_jobs", {})
    with pytest.raises(StageFailed, match=r"06_watch needs 01_jobs\.job: apply that stage first"):
        runner.plan()


def test_every_stage_is_validated_once(runner: Recorded) -> None:
    runner.validate()
    runner.validate()
    assert sorted(runner.of("validate")) == list(STAGES)


def test_an_init_that_failed_or_whose_files_have_changed_is_done_again(runner: Recorded) -> None:
    folder = runner.work / "terraform/01_jobs"
    done = folder / ".terraform/modules/modules.json"
    done.parent.mkdir(parents=True)
    done.touch()
    assert not terraform_stages._initialised(folder)
    (folder / ".terraform/providers").mkdir()
    assert terraform_stages._initialised(folder)
    later = done.stat().st_mtime + 1
    os.utime(folder / "variables.tf", (later, later))
    assert not terraform_stages._initialised(folder)


def test_what_an_operator_must_say_is_asked_for(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        terraform_stages.main(["plan", "--environment", "dev"])
    assert "--github-repository" in capsys.readouterr().err
