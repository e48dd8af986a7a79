"""What is special about jobs that a fork server bears: no difference is to be seen but the time."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import sys
import textwrap
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud import processes
from localcloud.forkserver.client import LibrarySet, supported

LIBRARIES = LibrarySet("numbers", ("numpy", "not_installed_anywhere"))
SHELL = ("/bin/sh", "-c")

# All that a script can find out about itself.
FACTS = """
import gc, inspect, json, logging, os, resource, signal, sys, threading
main = sys.modules["__main__"]
stream = lambda s: [s.name, s.encoding, s.errors, s.line_buffering, s.write_through, s.newlines, s.mode,
                    type(s.buffer).__name__, s.fileno(), s.isatty()]
mask = os.umask(0)
os.umask(mask)
print(json.dumps({
    "argv": sys.argv, "path": sys.path, "cwd": os.getcwd(), "umask": mask, "environment": dict(os.environ),
    "executable": sys.executable, "prefix": [sys.prefix, sys.base_prefix], "original": sys.orig_argv,
    "main": sorted(name for name in vars(main) if name not in ("stream", "mask", "name")),
    "name": [__name__, __doc__, __package__, __spec__ and __spec__.name, type(__loader__).__name__],
    "file": globals().get("__file__"), "descriptors": sorted(os.listdir("/dev/fd")),
    "leads": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
    "limits": [resource.getrlimit(n) for n in range(16)], "priority": os.nice(0),
    "signals": [str(signal.getsignal(n)) for n in sorted(signal.valid_signals())],
    "blocked": [int(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    "streams": [stream(s) for s in (sys.stdin, sys.stdout, sys.stderr)],
    "same streams": [sys.__stdin__ is sys.stdin, sys.__stdout__ is sys.stdout, sys.__stderr__ is sys.stderr],
    "input": sys.stdin.read(), "threads": [threading.active_count(), threading.current_thread().name],
    "native threads": len(os.listdir("/proc/self/task")), "collects": [gc.isenabled(), gc.get_threshold()],
    "handlers": [str(h) for h in logging.root.handlers], "hook": sys.excepthook is sys.__excepthook__,
    "own modules": sorted(n for n in sys.modules if n.startswith(("localcloud", "helper"))),
    "bytecode": sys.dont_write_bytecode,
}))
"""

pytestmark = [
    pytest.mark.xdist_group("forkserver"),
    pytest.mark.skipif(not supported(), reason="no fork server on this platform"),
]


@pytest.fixture(scope="module", autouse=True)
def forking() -> Iterator[None]:
    processes.use_fork_servers()
    assert processes.warm_up(LIBRARIES, wait_seconds=60)
    yield
    processes.use_plain_processes()


def spec(argv: tuple[str, ...], cwd: Path, **more: Any) -> processes.ProcessSpec:
    given = {"env": processes.base_environment(), "libraries": LIBRARIES, **more}
    return processes.ProcessSpec(name="job", argv=argv, cwd=cwd, **given)


def python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", textwrap.dedent(script))


def forked(argv: tuple[str, ...], cwd: Path, **more: Any) -> list[str]:
    """What a job prints that is forked wherever it can be."""
    lines: list[str] = []
    exit_ = processes.start(spec(argv, cwd, on_line=lines.append, **more)).wait()
    assert exit_.succeeded, exit_
    return lines


def plain(argv: tuple[str, ...], cwd: Path, **more: Any) -> list[str]:
    lines: list[str] = []
    asked = spec(argv, cwd, on_line=lines.append, **more)
    exit_ = processes.Process(asked, processes.PlainChild(asked)).wait()
    assert exit_.succeeded, exit_
    return lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A job's folder: a script, the same as a module of a package, and an archive on its path."""
    inner = tmp_path / "pack age"
    inner.mkdir()
    (inner / "__init__.py").touch()
    for script in (tmp_path / "facts.py", inner / "facts.py", tmp_path / "pack.py"):
        script.write_text(FACTS)
    with zipfile.ZipFile(tmp_path / "extra.zip", "w") as archive:
        archive.writestr("extra/__init__.py", "")
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("facts.py", "--one", "a b"),
        ("./pack age/facts.py",),
        ("-u", "facts.py"),
        ("-I", "-u", "facts.py", "x"),
        ("-m", "pack", "-x"),
        ("-c", FACTS, "-m", ""),
    ],
    ids=["script", "script-below", "unbuffered", "isolated", "module", "code"],
)
@pytest.mark.parametrize("buffered", [True, False], ids=["blocks", "at-once"])
def test_a_script_finds_itself_in_the_same_process(
    folder: Path, arguments: tuple[str, ...], buffered: bool
) -> None:
    env = {**processes.base_environment(), "PYTHONPATH": f"{folder / 'extra.zip'}:{folder / 'none'}"}
    if buffered:
        del env["PYTHONUNBUFFERED"]
    argv = (sys.executable, *arguments)
    [told], [expected] = forked(argv, folder, env=env), plain(argv, folder, env=env)
    assert json.loads(told) == json.loads(expected)


def test_a_shells_script_finds_itself_in_the_same_process(folder: Path) -> None:
    argv = (*SHELL, "exec python3 facts.py one 'a b'")
    told, expected = (json.loads(start(argv, folder)[0]) for start in (forked, plain))
    shim, path = told["environment"].pop("PATH").split(os.pathsep, 1)
    assert Path(shim).name == "bin"
    assert expected["environment"].pop("PATH") == path
    assert told["environment"].pop("PWD", None) == expected["environment"].pop("PWD", None)
    for facts in (told, expected):
        facts["environment"].pop("_", None)  # the shell's own note of what it has started
    assert told == expected | {"executable": sys.executable, "original": told["original"]}


def test_a_job_finds_its_libraries_loaded(tmp_path: Path) -> None:
    assert forked(python("import sys; print('numpy' in sys.modules)"), tmp_path) == ["True"]
    assert forked((*SHELL, "python3 -c 'import sys; print(\"numpy\" in sys.modules)'"), tmp_path) == ["True"]


def test_a_jobs_own_module_goes_before_a_loaded_one(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("own = True")
    (tmp_path / "job.py").write_text("import numpy; print(numpy.own)")
    assert forked((sys.executable, "job.py"), tmp_path) == ["True"]


def test_a_module_in_an_archive_goes_before_a_loaded_one(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "lib.zip", "w") as archive:
        archive.writestr("numpy/__init__.py", "own = True")
    env = {**processes.base_environment(), "PYTHONPATH": str(tmp_path / "lib.zip")}
    assert forked(python("import numpy; print(numpy.own)"), tmp_path, env=env) == ["True"]


@pytest.mark.parametrize("variable", ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONOPTIMIZE", "LC_ALL"])
def test_a_variable_that_libraries_read_when_loaded_has_its_effect(tmp_path: Path, variable: str) -> None:
    """Such a job gets an interpreter of its own."""
    env = {**processes.base_environment(), variable: "1"}
    assert forked(python("import sys; print('numpy' in sys.modules)"), tmp_path, env=env) == ["False"]


def test_polars_works_in_a_forked_job(tmp_path: Path) -> None:
    script = """
        import polars as pl
        numbers = pl.LazyFrame({"a": range(200_000)})
        sums = numbers.group_by(pl.col("a") % 7).agg(pl.col("a").sum().alias("s"))
        print(sums.collect(engine="streaming")["s"].sum())
    """
    assert forked(python(script), tmp_path) == [str(199_999 * 100_000)]


def test_a_model_is_the_same_to_the_byte(tmp_path: Path) -> None:
    """Also with several threads, and with linear algebra before: neither library minds the fork."""
    assert processes.warm_up(processes.JOB_LIBRARIES, wait_seconds=60)
    script = """
        import hashlib, sys, numpy, pandas, sklearn.linear_model, xgboost
        generator = numpy.random.default_rng(7)
        table = generator.random((3000, 300))
        target = (table @ generator.random(300) > 75).astype(int)
        inverse = numpy.linalg.inv(table.T @ table)
        linear = sklearn.linear_model.LogisticRegression().fit(table[:, :9], target)
        rows = xgboost.DMatrix(pandas.DataFrame(table[:, :9]), label=target, nthread=2)
        chosen = {"objective": "binary:logistic", "nthread": 2, "seed": 3, "subsample": 0.8}
        model = xgboost.train(chosen, rows, 20)
        results = inverse.tobytes(), linear.coef_.tobytes(), bytes(model.save_raw("ubj"))
        print(*[hashlib.sha256(result).hexdigest() for result in results])
    """
    libraries = {"libraries": processes.JOB_LIBRARIES}
    assert forked(python(script), tmp_path, **libraries) == plain(python(script), tmp_path, **libraries)


def test_no_library_is_loaded_that_keeps_threads_of_its_own_across_a_fork(tmp_path: Path) -> None:
    """OpenBLAS and OpenMP stop theirs before a fork, or start them with the first parallel region."""
    script = """
        import os, sys
        before = len(os.listdir("/proc/self/task"))
        import polars
        print("polars starts threads", len(os.listdir("/proc/self/task")) > before)
    """
    assert forked(python(script), tmp_path) == ["polars starts threads True"]
    loaded = python("import sys; print('polars' in sys.modules, 'xgboost' in sys.modules)")
    assert processes.warm_up(processes.JOB_LIBRARIES, wait_seconds=60)
    assert forked(loaded, tmp_path, libraries=processes.JOB_LIBRARIES) == ["False True"]


def helper() -> int:
    pid = processes._servers[LIBRARIES.name].pid
    assert pid
    return pid


def kill_helper() -> None:
    pid = helper()
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def wait_for_the_end_of(pid: int) -> None:
    """Until it is gone, or a zombie that waits for whoever inherited it."""
    status, deadline = Path(f"/proc/{pid}/status"), time.monotonic() + 10
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        while "State:\tZ" not in status.read_text():
            assert time.monotonic() < deadline, f"{pid} lives on"
            time.sleep(0.01)


def test_after_a_crash_jobs_run_plain_until_a_new_one_is_ready(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dead = helper()
    kill_helper()
    with caplog.at_level(logging.WARNING):
        assert forked(python("print('runs')"), tmp_path) == ["runs"]
    assert "ended with code -9 and is started again" in caplog.text
    assert processes.warm_up(LIBRARIES, wait_seconds=60)
    assert helper() != dead
    assert forked(python("import sys; print('numpy' in sys.modules)"), tmp_path) == ["True"]


@pytest.mark.parametrize("shell", [False, True])
def test_a_crash_ends_the_jobs_under_way(tmp_path: Path, shell: bool) -> None:
    assert processes.warm_up(LIBRARIES, wait_seconds=60)
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    argv = (*SHELL, f"exec python3 -c '{code}'") if shell else python(code)
    pids: list[int] = []
    started = threading.Event()

    def note(line: str) -> None:
        pids.append(int(line))
        started.set()

    process = processes.start(spec(argv, tmp_path, on_line=note))
    assert started.wait(20)
    kill_helper()
    exit_ = process.wait()
    assert (exit_.code, exit_.reason) == (-signal.SIGKILL, "exited")
    deadline = time.monotonic() + 10
    while (
        Path(f"/proc/{pids[0]}/stat").exists() and Path(f"/proc/{pids[0]}/stat").read_text().split()[2] != "Z"
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert processes.warm_up(LIBRARIES, wait_seconds=60)


def test_the_helper_goes_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Also when that is killed and can say nothing; and its jobs go too."""
    script = """
        import os, signal, sys
        from pathlib import Path
        from localcloud import processes
        from localcloud.forkserver.client import LibrarySet
        small = LibrarySet("small", ("json",))
        processes.use_fork_servers()
        assert processes.warm_up(small, wait_seconds=60)
        argv = (sys.executable, "-c", "import time; time.sleep(60)")
        spec = processes.ProcessSpec("j", argv, processes.base_environment(), Path("."), libraries=small)
        job = processes.start(spec)
        print(processes._servers["small"].pid, job.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    pids: list[str] = []
    env = {**processes.base_environment(), "PYTHONPATH": os.getcwd()}
    job = spec(python(script), tmp_path, env=env, on_line=pids.append)
    assert processes.Process(job, processes.PlainChild(job)).wait().code == -signal.SIGKILL
    for pid in pids[0].split():
        wait_for_the_end_of(int(pid))


def test_before_the_libraries_are_loaded_a_job_need_not_wait(tmp_path: Path) -> None:
    cold = LibrarySet("cold", ("numpy",))
    lines = forked(python("import sys; print('numpy' in sys.modules)"), tmp_path, libraries=cold)
    assert lines == ["False"]


def test_a_stranger_who_says_nothing_or_nonsense_disturbs_nobody(tmp_path: Path) -> None:
    path = processes._servers[LIBRARIES.name]._socket
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as confused:
        silent.connect(str(path))
        confused.connect(str(path))
        confused.sendall((5).to_bytes(4, "big") + b"hello")
        assert forked(python("import sys; print('numpy' in sys.modules)"), tmp_path) == ["True"]
