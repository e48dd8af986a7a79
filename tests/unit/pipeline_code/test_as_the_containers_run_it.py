"""The scripts out of the real code bundle, started as SageMaker starts them.

Processing: the template's own entrypoint and arguments, with `/opt/ml` standing in a folder. Training: the
toolkit's `python -m pipeline.code.train`, with the folders in SM_* variables.
"""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.bundles import build_code_bundle
from ops.names import ROOT

TEMPLATE = ROOT / "terraform/03_sagemaker_pipeline/pipeline_definition.json.tpl"
SCRIPTS = sorted((ROOT / "pipeline_code").glob("*.py"))
CONTAINER_LIBRARIES = {"numpy", "pandas", "sklearn", "xgboost"}


@pytest.fixture
def opt_ml(tmp_path: Path) -> Path:
    """Stands for /opt/ml; its name has a blank, which a laptop's folders may have."""
    folder = tmp_path / "opt ml"
    folder.mkdir()
    return folder


@pytest.fixture
def put(opt_ml: Path) -> Callable[[str, bytes], None]:
    def write(name: str, content: bytes) -> None:
        path = opt_ml / "processing/input" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return write


def process(step: str, opt_ml: Path) -> subprocess.CompletedProcess[str]:
    """Runs a Processing step's container command."""
    steps = {each["Name"]: each for each in json.loads(TEMPLATE.read_text())["Steps"]}
    container = steps[step]["Arguments"]["AppSpecification"]
    command = [*container["ContainerEntrypoint"], *container["ContainerArguments"]]
    return _run([part.replace("/opt/ml", str(opt_ml)) for part in command], opt_ml, {})


def train(opt_ml: Path, model_dir: Path) -> subprocess.CompletedProcess[str]:
    """Runs the training as the toolkit does once it has installed the bundle."""
    outputs = opt_ml / "processing/output"
    variables = {
        "PYTHONPATH": str(opt_ml / "processing/src"),
        "SM_MODEL_DIR": str(model_dir),
        "SM_CHANNEL_TRAIN": str(outputs / "train"),
        "SM_CHANNEL_VALIDATION": str(outputs / "validation"),
    }
    return _run([sys.executable, "-m", "pipeline.code.train", "--num_round", "30"], opt_ml, variables)


def _run(command: list[str], cwd: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
    environment = {"PATH": path, "LANG": "C.UTF-8", **variables}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def curated(labelled_rows: list[str]) -> bytes:
    header = "PassengerId,Survived,Pclass,Sex,Age,SibSp,Parch,Fare,Embarked"
    return "\n".join([header, *(f"{i},{row}" for i, row in enumerate(labelled_rows, 1)), ""]).encode()


def test_the_three_scripts_hand_on_to_each_other_and_train_the_same_model_twice(
    opt_ml: Path, put: Callable[[str, bytes], None], learnable: list[str]
) -> None:
    put("code/pipeline_code.tar.gz", build_code_bundle())
    put("train/train.csv", curated(learnable[:150]))
    put("validation/validation.csv", curated(learnable[150:]))
    done = process("DataPreProcessing", opt_ml)
    assert done.returncode == 0, done.stderr

    models = []
    for name in ("first", "second"):
        trained = train(opt_ml, opt_ml / name)
        assert trained.returncode == 0, trained.stderr
        models.append((opt_ml / name / "xgboost-model").read_bytes())
    assert models[0] == models[1]

    put("model/model.tar.gz", _model_archive(models[0]))
    put("validation/validation.csv", (opt_ml / "processing/output/validation/validation.csv").read_bytes())
    done = process("ModelEvaluation", opt_ml)
    assert done.returncode == 0, done.stderr
    report = json.loads((opt_ml / "processing/output/evaluation/evaluation.json").read_text())
    assert report["binary_classification_metrics"]["accuracy"]["value"] > 0.7
    baseline = json.loads((opt_ml / "processing/output/evaluation/baseline.json").read_text())
    assert baseline["rows"] == report["dataset"]["item_count"]
    assert not (opt_ml / "output/message").exists()


def test_a_failing_script_leaves_its_name_in_the_log_and_in_the_exit_message(
    opt_ml: Path, put: Callable[[str, bytes], None]
) -> None:
    put("code/pipeline_code.tar.gz", build_code_bundle())
    put("train/train.csv", b"PassengerId,Pclass\n1,3\n")
    done = process("DataPreProcessing", opt_ml)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("MissingColumn: ")
    assert "has no column Survived, Sex, Age" in last
    assert (opt_ml / "output/message").read_text() == last


@pytest.mark.parametrize(
    "members",
    [
        {"elsewhere/preprocess.py": b"print('hello')"},
        {"pipeline/code/preprocess.py": b"print('hello')", "../../../escaped.txt": b"out"},
        None,
    ],
    ids=["without pipeline/code", "climbing out", "not a tar file"],
)
def test_a_bad_bundle_is_named_and_never_leaves_its_folder(
    opt_ml: Path, put: Callable[[str, bytes], None], members: dict[str, bytes] | None
) -> None:
    put("code/pipeline_code.tar.gz", _tar_gz(members) if members else b"<html>not found</html>")
    done = process("DataPreProcessing", opt_ml)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("BadCodeBundle: ")
    assert not list(opt_ml.parent.rglob("escaped.txt"))
    assert "hello" not in done.stdout


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_needs_no_more_than_the_container_has(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 10))
    allowed = {*sys.stdlib_module_names, *CONTAINER_LIBRARIES, *(each.stem for each in SCRIPTS)}
    assert set(_imported(tree)) <= allowed


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_knows_opt_ml_only_as_the_default_of_an_argument(path: Path) -> None:
    used = [
        line
        for line in path.read_text().splitlines()
        if "/opt/ml" in line and not line.lstrip().startswith("#")
    ]
    assert all("add_argument" in line or "PROCESSING = " in line or "inputs = " in line for line in used), (
        used
    )


def _imported(tree: ast.AST) -> list[str]:
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.append(str(node.module).split(".")[0])
    return found


def _model_archive(model: bytes) -> bytes:
    return _tar_gz({"xgboost-model": model})


def _tar_gz(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info: Any = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
