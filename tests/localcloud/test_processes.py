"""What every job's process is, however it was born: each test here runs for both ways."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localcloud import processes
from localcloud.forkserver.client import LibrarySet, supported

LIBRARIES = LibrarySet("tests", ("numpy",))

pytestmark = pytest.mark.xdist_group("processes")


@pytest.fixture(scope="module", params=["plain", "forked"])
def mode(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "forked":
        if not supported():
            pytest.skip("no fork server on this platform")
        processes.use_fork_servers()
        assert processes.warm_up(LIBRARIES, wait_seconds=60)
    yield request.param
    processes.use_plain_processes()


@pytest.fixture
def run(tmp_path: Path, mode: str) -> Callable[..., processes.Process]:
    def start(script: str, *arguments: str, argv: tuple[str, ...] = (), **more: object) -> processes.Process:
        given: dict[str, object] = {"env": processes.base_environment(), "cwd": tmp_path, **more}
        spec = processes.ProcessSpec(
            name="job",
            argv=argv or (sys.executable, "-c", textwrap.dedent(script), *arguments),
            libraries=LIBRARIES,
            **given,  # type: ignore[arg-type]
        )
        return processes.start(spec)

    return start


Run = Callable[..., processes.Process]


def has_ended(pid: int) -> bool:
    """Gone, or a zombie that only waits for whoever inherited it; a signal takes a moment to arrive."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        command = ["ps", "-o", "stat=", "-p", str(pid)]
        state = subprocess.run(command, capture_output=True, text=True, check=False)
        if state.stdout.strip()[:1] in ("", "Z"):
            return True
    return False


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


def test_runs_in_the_way_that_was_asked_for(run: Run, mode: str) -> None:
    lines: list[str] = []
    run("import sys; print('numpy' in sys.modules)", on_line=lines.append).wait()
    assert lines == [str(mode == "forked")]


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit(300)", 300 & 0xFF, ""),
        ("import sys; sys.exit()", 0, ""),
        ("import sys; sys.exit('NoValidRows: none')", 1, "NoValidRows: none"),
        ("import os; os._exit(7)", 7, ""),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, ""),
        ("1 +", 1, "SyntaxError: invalid syntax"),
        (
            "import sys; sys.excepthook = lambda *a: print('hooked', a[1], file=sys.stderr); 1 / 0",
            1,
            "hooked division by zero",
        ),
    ],
)
def test_ends_as_python_ends(run: Run, script: str, code: int, words: str) -> None:
    exit_ = run(script).wait()
    assert exit_.code == code
    assert (exit_.last_lines or ("",))[-1] == words


def test_prints_a_traceback_of_the_jobs_own_frames(run: Run, tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("def fail():\n    raise KeyError('Age')\n\nfail()\n")
    exit_ = run("", argv=(sys.executable, "job.py")).wait()
    path = tmp_path / "job.py"
    assert "\n".join(exit_.last_lines) == textwrap.dedent(f"""\
        Traceback (most recent call last):
          File "{path}", line 4, in <module>
            fail()
          File "{path}", line 2, in fail
            raise KeyError('Age')
        KeyError: 'Age'""")


def test_keeps_the_two_outputs_apart(run: Run) -> None:
    out: list[str] = []
    err: list[str] = []
    script = "import sys; print('to out'); print('to err', file=sys.stderr)"
    run(script, on_line=out.append, on_error_line=err.append).wait()
    assert (out, err) == (["to out"], ["to err"])


def test_arguments_arrive_as_they_were_given(run: Run) -> None:
    odd = ["two words", "", "ü ☃", "quote ' \" \\", "line\nbreak", "$HOME", "--flag", "-c"]
    lines: list[str] = []
    run("import sys, json; print(json.dumps(sys.argv[1:]))", *odd, on_line=lines.append).wait()
    assert json.loads(lines[0]) == odd


def test_the_environment_is_the_one_given_and_no_other(run: Run) -> None:
    env = {**processes.base_environment(), "ODD": "a=b ü\nline", "EMPTY": ""}
    lines: list[str] = []
    script = """
        import json, os, subprocess, sys
        inherited = "import json, os; print(json.dumps(dict(os.environ)))"
        print(json.dumps(dict(os.environ)), flush=True)
        subprocess.run([sys.executable, "-c", inherited])
    """
    run(script, env=env, on_line=lines.append).wait()
    assert json.loads(lines[0]) == env
    assert json.loads(lines[1]) == env


def test_descriptors_keep_their_numbers(run: Run) -> None:
    reading, writing = os.pipe()
    process = run(f"import os; os.write({writing}, b'through')", pass_fds=(writing,))
    os.close(writing)
    assert process.wait().succeeded
    assert os.read(reading, 100) == b"through"
    os.close(reading)


def test_what_was_written_and_never_closed_is_there(run: Run, tmp_path: Path) -> None:
    script = """
        import atexit, threading, time
        left_open = open("left-open.txt", "w")
        left_open.write("flushed")
        atexit.register(lambda: print("at exit"))
        done = threading.Event()
        thread = threading.Thread(target=lambda: (done.wait(), print("thread")))
        thread.start()
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        done.set()
        print("end", end="")
    """
    env = {k: v for k, v in processes.base_environment().items() if k != "PYTHONUNBUFFERED"}
    lines: list[str] = []
    assert run(script, env=env, on_line=lines.append).wait().succeeded
    assert "".join(lines) in ("endthreadat exit", "threadendat exit", "threadat exitend")
    assert (tmp_path / "left-open.txt").read_text() == "flushed"


def test_a_job_sees_nothing_of_another(run: Run) -> None:
    spoil = """
        import json, os, sys, numpy, signal
        json.dumps = None
        numpy.mean = None
        sys.path.insert(0, "/nowhere")
        os.environ["LEFT"] = "behind"
        os.umask(0o777)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.modules["pandas"] = None
    """
    look = """
        import json, os, signal, sys, numpy
        umask = os.umask(0)
        print(json.dumps([numpy.mean([1, 3]), "LEFT" in os.environ, "/nowhere" in sys.path, umask == 0o777]))
        print(signal.getsignal(signal.SIGTERM).name, "pandas" in sys.modules)
    """
    assert run(spoil).wait().succeeded
    lines: list[str] = []
    assert run(look, on_line=lines.append).wait().succeeded
    assert lines == ["[2.0, false, false, false]", "SIG_DFL False"]


def test_each_job_draws_its_own_random_numbers(run: Run) -> None:
    script = "import random, numpy, uuid; print(random.random(), numpy.random.rand(), uuid.uuid4())"
    drawn: list[str] = []
    for _ in range(3):
        run(script, on_line=drawn.append).wait()
    assert len({number for line in drawn for number in line.split()}) == 9


def test_many_jobs_at_once_keep_their_own(run: Run) -> None:
    out: dict[int, list[str]] = {number: [] for number in range(20)}
    script = "import sys; print(*[sys.argv[1]] * 3, sep='\\n'); sys.exit(int(sys.argv[1]))"
    started = {n: run(script, str(n), on_line=lines.append) for n, lines in out.items()}
    assert {n: process.wait().code for n, process in started.items()} == {n: n for n in out}
    assert out == {n: [str(n)] * 3 for n in out}


def test_a_job_may_end_gracefully_when_it_is_stopped(run: Run) -> None:
    started = threading.Event()
    script = """
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped in order"))
        print("started")
        time.sleep(60)
    """
    process = run(script, on_line=lambda _line: started.set())
    assert started.wait(10)
    process.stop()
    exit_ = process.wait()
    assert (exit_.code, exit_.reason, exit_.last_lines[-1]) == (1, "stopped", "stopped in order")


@pytest.mark.parametrize("argv", [("no-such-program",), ("/no/such/python3", "-c", "")])
def test_a_program_that_is_not_there_is_an_error_at_once(run: Run, argv: tuple[str, ...]) -> None:
    with pytest.raises(FileNotFoundError):
        run("", argv=argv)


def test_a_folder_that_is_not_there_is_an_error_at_once(run: Run, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run("", cwd=tmp_path / "missing")


def test_a_script_that_is_not_there_is_pythons_own_error(run: Run) -> None:
    exit_ = run("", argv=(sys.executable, "missing.py")).wait()
    assert exit_.code == 2
    assert "can't open file" in exit_.words


def test_an_interpreters_other_options_work_too(run: Run) -> None:
    lines: list[str] = []
    run("", argv=(sys.executable, "-O", "-c", "print(__debug__)"), on_line=lines.append).wait()
    assert lines == ["False"]


SHELL = ("/bin/bash", "-c")


def test_a_shell_command_passes_on_its_pythons_exit_code_and_output(run: Run, tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(
        "import sys, os\nprint(sys.argv, os.getcwd(), os.environ['SET'])\nsys.exit(5)\n"
    )
    lines: list[str] = []
    command = 'export SET=there; umask 027; mkdir -p down; cd down; exec python3 ../$0 "$@"'
    exit_ = run("", argv=(*SHELL, command, "job.py", "a b", ""), on_line=lines.append).wait()
    assert exit_.code == 5
    assert lines == [f"{['../job.py', 'a b', '']} {tmp_path / 'down'} there"]


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGTERM"])
def test_a_shell_command_ends_by_its_pythons_signal(run: Run, name: str) -> None:
    command = f"exec python3 -c 'import os, signal; os.kill(os.getpid(), signal.{name})'"
    assert run("", argv=(*SHELL, command)).wait().code == -signal.Signals[name]


def test_a_shell_command_sets_its_pythons_limits_and_reads_its_output(run: Run) -> None:
    command = """
        ulimit -n 77
        umask 027
        n=$(python3 -c 'from resource import *; import os; print(getrlimit(RLIMIT_NOFILE)[0], os.umask(0))')
        echo "limit and umask $n"; echo from-the-pipe | python3 -c 'print(input())'
    """
    lines: list[str] = []
    assert run("", argv=(*SHELL, command), on_line=lines.append).wait().succeeded
    assert lines == ["limit and umask 77 23", "from-the-pipe"]


@pytest.mark.parametrize("prefix", ["exec ", ""], ids=["exec", "child"])
def test_stopping_a_shell_command_stops_its_python_and_what_that_started(run: Run, prefix: str) -> None:
    script = (
        'import subprocess, os; p = subprocess.Popen(["sleep", "60"]);'
        " print(os.getpid(), p.pid, flush=True); p.wait()"
    )
    pids: list[int] = []
    started = threading.Event()

    def note(line: str) -> None:
        pids.extend(map(int, line.split()))
        started.set()

    process = run("", argv=(*SHELL, f"{prefix}python3 -c '{script}'\ntrue"), on_line=note)
    assert started.wait(10)
    process.stop()
    assert process.wait().reason == "stopped"
    assert [has_ended(pid) for pid in pids] == [True, True]


def test_what_a_shells_python_leaves_behind_lives_as_long_as_the_shell(run: Run) -> None:
    command = """
        pid=$(python3 -c 'from subprocess import *; print(Popen(["sleep", "60"], stdout=DEVNULL).pid)')
        kill -0 $pid && echo $pid
    """
    pids: list[str] = []
    assert run("", argv=(*SHELL, command), on_line=pids.append).wait().succeeded
    assert has_ended(int(pids[0]))


def test_a_shells_timeout_ends_its_python(run: Run) -> None:
    exit_ = run("", argv=(*SHELL, "timeout 0.5 python3 -c 'import time; time.sleep(60)'")).wait()
    assert exit_.code == 124
