from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ops.names import ROOT
from pipeline_definition import author
from pipeline_definition.placeholders import DATA_BUCKET, MODEL_PACKAGE_GROUP, ROLE_ARN, as_template

AUTHORING_PYTHON = ROOT / ".venv-authoring/bin/python"


def test_the_committed_template_is_what_the_sdk_authors() -> None:
    if not AUTHORING_PYTHON.exists():
        pytest.fail("the authoring environment is missing: run `make .venv-authoring/.ready`")
    check = [str(AUTHORING_PYTHON), "-m", "pipeline_definition.author", "--check"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A template in a project of its own."""
    path = tmp_path / "pipeline_definition.json.tpl"
    monkeypatch.setattr(author, "ROOT", tmp_path)
    monkeypatch.setattr(author, "TEMPLATE", path)
    return path


def test_check_shows_the_difference(template: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template.write_text('{\n  "Steps": []\n}\n')
    assert author.check('{\n  "Steps": [1]\n}\n') == 1
    printed = capsys.readouterr()
    assert '-  "Steps": []' in printed.out
    assert '+  "Steps": [1]' in printed.out
    assert "run `make pipeline-definition`" in printed.err


def test_check_fails_when_there_is_no_template_yet(template: Path) -> None:
    assert not template.exists()
    assert author.check("{}\n") == 1


def test_check_passes_when_nothing_differs(template: Path) -> None:
    template.write_text("{}\n")
    assert author.check("{}\n") == 0


def test_writes_the_template_unless_asked_to_check(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(author, "render", lambda: "{}\n")
    assert author.main(["--check"]) == 1
    assert author.main([]) == 0
    assert template.read_text() == "{}\n"
    assert author.main(["--check"]) == 0


def test_sentinels_become_placeholders() -> None:
    text = f"s3://{DATA_BUCKET}/curated {MODEL_PACKAGE_GROUP} {ROLE_ARN}"
    assert as_template(text) == "s3://${data_bucket}/curated ${model_package_group_name} ${pipeline_role_arn}"


def test_a_sentinel_that_the_sdk_dropped_is_noticed() -> None:
    with pytest.raises(ValueError, match="never mentions sentinel-model-package-group"):
        as_template(f"{DATA_BUCKET} {ROLE_ARN}")


def test_a_sentinel_that_the_sdk_took_apart_is_noticed() -> None:
    with pytest.raises(ValueError, match="part of a sentinel"):
        as_template(f"{DATA_BUCKET} {MODEL_PACKAGE_GROUP} {ROLE_ARN} sentinel-pipeline-role")
