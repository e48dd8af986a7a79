"""What holds for the stages' files, whether or not they are applied."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ops.names import ROOT
from scripts import terraform_mirror, terraform_stages, terraform_tags

pytestmark = pytest.mark.xdist_group("terraform")

TERRAFORM = ROOT / "terraform"
STAGES = terraform_stages.read_stages(TERRAFORM)
REQUIRED = ("README.md", "locals.tf", "outputs.tf", "providers.tf", "variables.tf", "versions.tf")
TAGS = {"project": "p", "env": "dev", "owner": "o", "managed_by": "terraform", "cost_center": "c"}


def in_stages(pattern: str = "*.tf") -> list[Path]:
    return sorted(TERRAFORM.rglob(pattern))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_stage_has_its_files(stage: terraform_stages.Stage) -> None:
    assert [name for name in REQUIRED if not (stage.folder / name).is_file()] == []


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_what_a_stage_takes_is_an_output_of_an_earlier_one(stage: terraform_stages.Stage) -> None:
    for name, source in stage.inputs.items():
        assert source < stage.name
        assert f'output "{name}" {{' in (TERRAFORM / source / "outputs.tf").read_text()


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_readme_names_every_stage_it_takes_from(stage: terraform_stages.Stage) -> None:
    readme = (stage.folder / "README.md").read_text()
    assert [source for source in stage.inputs.values() if source not in readme] == []


@pytest.mark.parametrize("path", in_stages("variables.tf"), ids=lambda path: path.parent.name)
def test_variables_are_sorted_typed_and_described(path: Path) -> None:
    for part in path.read_text().split("# ---- From earlier stages ----"):
        blocks = re.findall(r'variable "(\w+)" \{\n  description = ".+"\n  type        = ', part)
        assert blocks == sorted(blocks)
        assert len(blocks) == part.count('variable "')


def test_files_are_short_enough_to_read() -> None:
    assert [path.name for path in in_stages() if len(path.read_text().splitlines()) > 150] == []


def test_no_stage_repeats_what_a_file_says() -> None:
    names = json.loads((ROOT / "project.json").read_text())["names"]
    said = [pattern.partition("${")[0] for pattern in names.values()]
    spelled = {literal.rstrip("-") for literal in said if literal}
    for path in in_stages():
        found = [literal for literal in spelled if f'"{literal}' in path.read_text()]
        assert found == [], f"{path} spells names that project.json holds"


def test_files_are_formatted(terraform: str) -> None:
    done = subprocess.run(
        [terraform, "fmt", "-check", "-recursive", TERRAFORM], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


def test_every_stage_is_valid(applied: Any) -> None:
    applied.runner.validate()  # which the apply has done already, while it waited
    assert {stage for stage, command in applied.runner.seconds if command == "validate"} == {
        stage.name for stage in STAGES
    }


def planned(**tags: str) -> dict[str, Any]:
    after = {"tags_all": tags}
    return {"resource_changes": [{"address": "a.b", "mode": "managed", "change": {"after": after}}]}


def test_a_plan_with_the_five_tags_passes() -> None:
    assert terraform_tags.untagged(planned(**TAGS)) == []


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("value", [None, "", " "])
def test_a_resource_without_a_tag_is_refused(tag: str, value: str | None) -> None:
    tags = {**TAGS, tag: value} if value is not None else {k: v for k, v in TAGS.items() if k != tag}
    assert terraform_tags.untagged(planned(**tags)) == [f"a.b ({tag})"]


def test_what_cannot_bear_tags_and_what_goes_away_needs_none() -> None:
    policy = {"address": "a", "mode": "managed", "change": {"after": {"policy": "{}"}}}
    deleted = {"address": "b", "mode": "managed", "change": {"after": None}}
    read = {"address": "c", "mode": "data", "change": {"after": {"tags_all": {}}}}
    assert terraform_tags.untagged({"resource_changes": [policy, deleted, read]}) == []


def test_stages_that_take_inputs_from_each_other_are_refused(tmp_path: Path) -> None:
    for name, source in (("00_one", "01_two"), ("01_two", "00_one")):
        (tmp_path / "terraform" / name).mkdir(parents=True)
        variable = f'variable "x" {{\n  description = "From {source}: x."\n}}\n'
        (tmp_path / "terraform" / name / "variables.tf").write_text(variable)
    with pytest.raises(terraform_stages.StageFailed, match="00_one, 01_two"):
        terraform_stages.Runner(tmp_path, {}).apply()


def test_settings_that_somebody_chose_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "chosen").touch()
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(tmp_path / "chosen"))
    assert terraform_mirror.provider_settings(tmp_path) == {}


def test_without_a_provider_on_the_machine_terraform_looks_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)
    monkeypatch.setattr(terraform_mirror, "find_mirror", lambda: None)
    assert terraform_mirror.provider_settings(tmp_path) == {}
