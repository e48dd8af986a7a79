from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from localcloud import processes


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., processes.Process]:
    def start(script: str, **more: object) -> processes.Process:
        spec = processes.ProcessSpec(
            name="job",
            argv=(sys.executable, "-c", script),
            env=processes.base_environment(),
            cwd=tmp_path,
            **more,  # type: ignore[arg-type]
        )
        return processes.start(spec)

    return start


Run = Callable[..., processes.Process]


def has_ended(pid: int) -> bool:
    """Gone, or a zombie that only waits for whoever inherited it."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] in ("", "Z")


def test_reports_the_exit_code_and_every_line_of_output(run: Run) -> None:
    lines: list[str] = []
    exit_ = run("print('one'); print('two')", on_line=lines.append).wait()
    assert (exit_.code, exit_.reason, exit_.succeeded) == (0, "exited", True)
    assert lines == ["one", "two"]


def test_tells_the_last_error_line_of_a_job_that_failed(run: Run) -> None:
    script = "import sys; print('progress'); print('MissingColumn: no Age', file=sys.stderr); sys.exit(1)"
    exit_ = run(script).wait()
    assert exit_.words == "MissingColumn: no Age"
    assert not exit_.succeeded


def test_says_which_signal_killed_a_job(run: Run) -> None:
    exit_ = run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)").wait()
    assert exit_.code == -signal.SIGKILL
    assert exit_.words == "the process was ended by SIGKILL"


def test_ends_a_job_that_runs_past_its_time(run: Run) -> None:
    assert run("import time; time.sleep(60)", timeout_seconds=0.2).wait().reason == "timed_out"


def test_stop_ends_the_job_and_its_children(run: Run, tmp_path: Path) -> None:
    started = threading.Event()
    script = (
        "import os, subprocess; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    )
    children: list[int] = []

    def note(line: str) -> None:
        children.append(int(line))
        started.set()

    process = run(script, on_line=note)
    assert started.wait(10)
    process.stop()
    assert process.wait().reason == "stopped"
    assert has_ended(children[0])


def test_stopping_an_ended_job_changes_nothing(run: Run) -> None:
    process = run("pass")
    assert process.wait().reason == "exited"
    process.stop()
    assert process.wait().reason == "exited"


def test_gives_the_job_nothing_of_the_servers_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_SERVER", "x")
    lines: list[str] = []
    run("import os; print('A_SECRET_OF_THE_SERVER' in os.environ)", on_line=lines.append).wait()
    assert lines == ["False"]


def test_a_reader_that_fails_does_not_block_the_job(run: Run) -> None:
    def broken(_line: str) -> None:
        raise RuntimeError("the log is gone")

    assert run("print('x' * 200_000)\nprint('y')", on_line=broken).wait().succeeded


def test_a_daemon_that_a_job_leaves_behind_does_not_outlive_it(run: Run) -> None:
    pids: list[str] = []
    script = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"
    assert run(script, on_line=pids.append).wait().succeeded
    assert has_ended(int(pids[0]))
