"""The `titanic` command as a person types it: real processes, exit codes, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud import control

pytestmark = pytest.mark.xdist_group("e2e-command")

TITANIC = str(Path(sys.executable).parent / "titanic")
Titanic = Callable[..., subprocess.CompletedProcess[str]]


def environment(home: Path) -> dict[str, str]:
    given = ("PATH", "HOME", "LANG", "LOCALCLOUD_PROCESSES")
    kept = {key: os.environ[key] for key in given if key in os.environ}
    return {**kept, "TITANIC_HOME": str(home), "COLUMNS": "120"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder: Path = tmp_path_factory.mktemp("home")
    yield folder
    control.stop(folder)


@pytest.fixture(scope="module")
def titanic(home: Path) -> Titanic:
    def run(*words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [TITANIC, *words],
            env=environment(home),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


@pytest.fixture(scope="module")
def demo(titanic: Titanic) -> subprocess.CompletedProcess[str]:
    """A demo with port 4566 taken by somebody else."""
    with socket.socket() as somebody:
        somebody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            somebody.bind(("127.0.0.1", 4566))
            somebody.listen()
        except OSError:
            pass  # it is busy already: just as well
        return titanic("demo")


@pytest.fixture(scope="module")
def running(titanic: Titanic, demo: object) -> Iterator[Titanic]:
    """The cloud of the demo, brought back in the background."""
    assert titanic("up", "--detach").returncode == 0
    yield titanic
    titanic("down")


def children_of(home: Path) -> list[str]:
    """Processes whose command line or environment names this home."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(home).encode() in text:
            found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def test_the_demo_ends_with_predictions_that_turn_out_right(
    demo: subprocess.CompletedProcess[str], home: Path
) -> None:
    assert demo.returncode == 0, demo.stderr
    told = demo.stdout + demo.stderr
    for text in (
        *("Port 4566 is in use", "Model registered: version 1", "titanic approve 1", "is now Approved"),
        *("Predictions published: 418 rows by model version 1", "418 new passengers", "manifest.json"),
        *("predictions/latest.json", "titanic alerts"),
        *("SmokeTest", "titanic confirm", "Model promoted: version 1 is live", "titanic endpoints"),
    ):
        assert text in told
    assert control.status(home) is None


def test_a_cloud_comes_back_with_what_it_held(running: Titanic) -> None:
    [version] = json.loads(running("models", "--json").stdout)
    assert version["status"] == "Approved"
    runs = json.loads(running("runs", "--json").stdout)
    assert [(run["kind"], run["decision"]) for run in runs] == [
        ("batch_inference", "published"),
        ("promotion", "promoted"),
        ("training", "registered"),
    ]
    answer = running("invoke", "prod", "--body", "3,0,22,1,0,7.25,2\\n1,1,38,1,0,71.2833,0", "--json").stdout
    died, survived = map(float, json.loads(answer)["body"].split())
    assert died < 0.5 < survived
    for run in runs:
        assert "InitRun" in running("runs", "show", run["run_id"]).stdout


def test_a_second_demo_tells_the_same_story(running: Titanic) -> None:
    again = running("demo")
    assert again.returncode == 0, again.stderr
    assert "by model version 2" in again.stdout
    assert "Model promoted: version 2 is live" in again.stdout
    [endpoint] = json.loads(running("endpoints", "--json").stdout)
    assert (endpoint["version"], endpoint["status"]) == (2, "InService")


def test_shows_what_people_were_told(running: Titanic) -> None:
    told = json.loads(running("alerts", "--limit", "0", "--json").stdout)
    assert any("Model version 1 registered" in alert["subject"] for alert in told)
    assert any("418 predictions published" in alert["subject"] for alert in told)
    assert json.loads(running("alerts", "--limit", "0", "--json").stdout) == told


def test_predicts_and_says_when_no_model_is_approved(running: Titanic) -> None:
    done = running("predict", "--json")
    assert done.returncode == 0, done.stderr
    predicted = json.loads(done.stdout)
    assert predicted["predictions"]["rows"] == 418
    assert "transform" in running("logs", predicted["run_id"]).stdout
    for version in json.loads(running("models", "--json").stdout):
        running("reject", str(version["version"]))
    none = running("predict")
    assert none.returncode == 2
    assert "NoApprovedModel" in none.stdout
    running("approve", "1", "--reason", "good enough")


def test_switches_a_schedule_on_and_a_new_deployment_leaves_it_on(running: Titanic) -> None:
    assert running("schedule", "enable", "daily-batch-inference").returncode == 0
    assert running("up", "--detach").returncode == 0
    states = {each["name"]: each["state"] for each in json.loads(running("schedule", "--json").stdout)}
    assert states == {
        "daily-batch-inference": "ENABLED",
        "daily-monitoring": "ENABLED",
        "nightly-staging-shutdown": "ENABLED",
        "weekly-training": "ENABLED",
    }
    running("schedule", "disable", "daily-batch-inference")


def test_approves_a_version_once(running: Titanic) -> None:
    running("reject", "1")
    assert running("approve", "1", "--reason", "looks right").returncode == 0
    again = running("approve", "1")
    assert again.returncode == 0
    assert "already" in again.stdout + again.stderr
    [version] = [v for v in json.loads(running("models", "--json").stdout) if v["version"] == 1]
    assert version["status"] == "Approved"


def test_says_which_versions_there_are_when_one_is_unknown(running: Titanic) -> None:
    unknown = running("approve", "99")
    assert unknown.returncode == 1
    assert "99" in unknown.stderr
    assert "1" in unknown.stderr


def test_a_rejected_model_exits_with_2(running: Titanic) -> None:
    done = running("train", "--accuracy-threshold", "0.99")
    assert done.returncode == 2
    assert "rejected" in done.stdout.lower()


def test_a_failed_run_exits_with_1_and_says_why(running: Titanic) -> None:
    done = running("train", "--input", "-", stdin='{"acuracy_threshold": 0.9}')
    assert done.returncode == 1
    assert "acuracy_threshold" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_shows_what_a_runs_jobs_logged(running: Titanic) -> None:
    run = json.loads(running("runs", "--json").stdout)[-1]
    logged = running("logs", run["run_id"])
    assert logged.returncode == 0
    assert "accuracy" in logged.stdout


def test_says_how_to_start_when_no_cloud_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [TITANIC, "models"], env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "titanic up" in done.stderr


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for left-over processes in /proc")
@pytest.mark.parametrize(
    "moment", ["local cloud is running", "PrepareData", "TrainModel", "CreateTransformJob"]
)
def test_ctrl_c_stops_the_demo_and_leaves_no_process_behind(tmp_path: Path, moment: str) -> None:
    demo = subprocess.Popen(
        [TITANIC, "demo"],
        env=environment(tmp_path) | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    told = _read_until(demo, moment)
    os.killpg(demo.pid, signal.SIGINT)
    told += demo.communicate(timeout=60)[0]
    assert demo.returncode == 130, told
    assert "Traceback" not in told
    deadline = time.monotonic() + 10
    while left := children_of(tmp_path):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _read_until(process: subprocess.Popen[str], moment: str) -> str:
    told = ""
    assert process.stdout is not None
    for line in process.stdout:
        told += line
        if moment in line:
            return told
    raise AssertionError(f"the demo ended before {moment!r}:\n{told}")


def test_help_has_examples_for_every_command(titanic: Titanic) -> None:
    names = [
        *("up", "down", "demo", "train", "predict", "runs", "models", "approve", "reject", "logs"),
        *("alerts", "schedule", "cost", "orphans"),
    ]
    pages: dict[str, Any] = {name: titanic(name, "--help").stdout for name in names}
    assert [name for name, page in pages.items() if f"titanic {name}" not in page] == []
