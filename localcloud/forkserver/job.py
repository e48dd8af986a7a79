"""What a child of the helper does to become `python script arguments…`, and how it ends.

`become` gives it what a process has of its own, then runs the script as Python's own start-up does: the same
`sys.argv`, `sys.path`, `__main__`, streams, traceback and exit code. In doubt it becomes a fresh interpreter.

The end is Python's too (threads joined, exit handlers run, the job's own modules cleared, streams flushed)
but for the libraries: taking them apart would copy every page that is shared and takes 0.2 s for nothing.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import io
import os
import resource
import runpy
import signal
import sys
import tempfile
import threading
import time
import traceback
import types
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.machinery import BuiltinImporter, SourceFileLoader
from typing import Any, NoReturn, TextIO

from localcloud.forkserver import wire

# Read by C libraries and by Python itself when they start.
READ_AT_START = (
    *("BLIS_", "GLIBC_", "GOMP_", "GOTO", "KMP_", "LANG", "LC_", "LD_", "MALLOC_", "MKL_", "NPY_", "OMP_"),
    *("OPENBLAS_", "PYTHON"),
)
HANDLED_HERE = frozenset({"PYTHONPATH", "PYTHONUNBUFFERED"})
OWN_PACKAGE = "localcloud"
BROKEN_OUTPUT = 120  # Python's exit code when what was printed cannot be flushed


@dataclass(frozen=True)
class Template:
    """The helper as every child finds it. `read` names the variables that its libraries looked at."""

    path: tuple[str, ...]
    environment: Mapping[str, str]
    read: frozenset[str]
    modules: frozenset[str]

    @classmethod
    def of_this_process(cls, environment: Mapping[str, str], read: frozenset[str]) -> Template:
        """`environment` as it was when loading began: some libraries add to it."""
        modules = {name for name in sys.modules if name.partition(".")[0] not in (OWN_PACKAGE, "__main__")}
        return cls(tuple(sys.path), environment, read, frozenset(modules))

    def fits(self, environment: Mapping[str, str]) -> bool:
        """Whether the libraries would be the same, had they been loaded with this environment."""
        names = {n for n in {*environment, *self.environment} if n.startswith(READ_AT_START)} | self.read
        return all(environment.get(n) == self.environment.get(n) for n in names - HANDLED_HERE)


@dataclass(frozen=True)
class Command:
    """A Python command line: `kind` is "-m", "-c" or "script", `what` the module, the code or the path."""

    kind: str
    what: str
    arguments: tuple[str, ...]
    isolated: bool
    unbuffered: bool

    @classmethod
    def parse(cls, argv: list[str], environment: Mapping[str, str]) -> Command | None:
        """None for what only a fresh interpreter can do: other options, no script at all."""
        rest, options = list(argv[1:]), set()
        while rest and rest[0] in ("-I", "-u"):
            options.add(rest.pop(0))
        isolated = "-I" in options
        unbuffered = "-u" in options or bool(environment.get("PYTHONUNBUFFERED") and not isolated)
        if len(rest) > 1 and rest[0] in ("-m", "-c"):
            return cls(rest[0], rest[1], tuple(rest[2:]), isolated, unbuffered)
        if not rest or rest[0].startswith("-") or not rest[0].endswith(".py") or not os.path.isfile(rest[0]):
            return None
        return cls("script", rest[0], tuple(rest[1:]), isolated, unbuffered)

    def own_path(self, environment: Mapping[str, str]) -> list[str]:
        """What goes before Python's own `sys.path`."""
        if self.isolated:
            return []
        first = {"-m": os.getcwd(), "-c": "", "script": os.path.dirname(os.path.realpath(self.what))}
        given = environment.get("PYTHONPATH", "")
        return [first[self.kind], *(given.split(os.pathsep) if given else [])]


def become(request: wire.Request, descriptors: list[int], template: Template) -> NoReturn:
    """Turns this child into the job and ends with it."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    _take_descriptors(descriptors, request.targets)
    os.umask(request.umask)
    for number, soft, hard in request.limits:
        resource.setrlimit(number, (soft, hard))
    try:
        os.chdir(request.cwd)
        command = Command.parse(request.argv, request.environment)
        if command is None or not template.fits(request.environment):
            _become_fresh_interpreter(request)
        own_path = command.own_path(request.environment)
        if _hides(own_path, template.modules):
            _become_fresh_interpreter(request)
        program = _program(command)
    except (SyntaxError, ValueError, OSError):  # a fresh interpreter says best what is wrong
        _become_fresh_interpreter(request)
    _take_environment(request, command, own_path, template)
    _renew_randomness()
    _end(_run(program), template)


def _take_descriptors(given: list[int], targets: list[int]) -> None:
    """Leaves exactly the job's descriptors open, each under its own number."""
    beyond = max(targets) + 1
    moved = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, beyond) for number in given]
    for number, target in zip(moved, targets, strict=True):
        os.dup2(number, target)
    for number in [int(name) for name in os.listdir("/dev/fd")]:
        if number not in targets:
            with contextlib.suppress(OSError):  # that of the listing itself
                os.close(number)


def _become_fresh_interpreter(request: wire.Request) -> NoReturn:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, a program it starts must not
        signal.signal(number, signal.SIG_DFL)
    # By its path: a bare name would be looked up in PATH, where a shell's job has the shim.
    argv = [request.executable, *request.argv[1:]]
    os.execve(request.executable, argv, request.environment)  # noqa: S606  # nosec B606 - the job itself


def _hides(folders: list[str], modules: frozenset[str]) -> bool:
    """Whether the job has a module of the same name as one that is loaded."""
    loaded = {name.partition(".")[0] for name in modules}
    return any(loaded.intersection(_importable(folder or os.curdir)) for folder in folders)


def _importable(folder: str) -> set[str]:
    """Top-level names that may be modules in a folder or archive on `sys.path`."""
    if os.path.isdir(folder):
        names = os.listdir(folder)
    elif zipfile.is_zipfile(folder):
        with zipfile.ZipFile(folder) as archive:
            names = [name.partition("/")[0] for name in archive.namelist()]
    else:
        names = []
    return {name.partition(".")[0] for name in names}


def _program(command: Command) -> Callable[[], object]:
    """What runs in `__main__`. Raises what keeps a script from being compiled."""
    main = types.ModuleType("__main__")
    main.__dict__.update(__builtins__=sys.modules["builtins"], __annotations__={})
    sys.modules["__main__"] = main
    if command.kind == "-m":
        run_module: Any = runpy._run_module_as_main  # type: ignore[attr-defined]
        return lambda: run_module(command.what)
    if command.kind == "-c":
        main.__loader__ = BuiltinImporter
        code = compile(command.what, "<string>", "exec", dont_inherit=True)
    else:
        path = os.path.join(os.getcwd(), command.what)
        main.__loader__ = SourceFileLoader("__main__", path)
        main.__dict__.update(__file__=path, __cached__=None)
        with open(path, "rb") as source:
            code = compile(source.read(), path, "exec", dont_inherit=True)
    return lambda: exec(code, main.__dict__)  # noqa: S102  # nosec B102 - the job's own script


def _take_environment(
    request: wire.Request, command: Command, own_path: list[str], template: Template
) -> None:
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    tempfile.tempdir = None
    sys.executable = request.executable
    sys.orig_argv[:] = request.argv
    sys.argv[:] = [command.what if command.kind == "script" else command.kind, *command.arguments]
    sys.path[:] = [*own_path, *template.path]
    sys.path_importer_cache.clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == OWN_PACKAGE]:
        del sys.modules[name]
    for stream in ("stdin", "stdout", "stderr"):
        opened = _open_stream(stream, command.unbuffered)
        setattr(sys, stream, opened)
        setattr(sys, f"__{stream}__", opened)


def _open_stream(name: str, unbuffered: bool) -> TextIO:
    """As Python opens it: standard error by lines, the others in blocks, at once where that is asked for."""
    number = ("stdin", "stdout", "stderr").index(name)
    before: TextIO = getattr(sys, name)
    reads = name == "stdin"
    raw = io.FileIO(number, "r" if reads else "w", closefd=False)
    raw.name = f"<{name}>"
    buffer: Any = io.BufferedReader(raw) if reads else raw if unbuffered else io.BufferedWriter(raw)
    stream = io.TextIOWrapper(
        buffer,
        before.encoding,
        before.errors,
        newline="\n",
        line_buffering=not unbuffered and (name == "stderr" or raw.isatty()),
        write_through=unbuffered,
    )
    stream.mode = "r" if reads else "w"  # type: ignore[misc]
    return stream


def _renew_randomness() -> None:
    """`random` does so itself after a fork."""
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "multiprocessing.process" in sys.modules:
        sys.modules["multiprocessing.process"].current_process().authkey = os.urandom(32)


def _run(program: Callable[[], object]) -> int:
    """The exit code; negative for the signal by which Python ends itself after Ctrl-C."""
    try:
        program()
    except SystemExit as end:
        return _exit_code(end.code)
    except BaseException as error:
        _show(error)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _exit_code(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)  # noqa: T201 - as Python does with the message of a SystemExit
    return 1


def _show(error: BaseException) -> None:
    """Through the job's own `sys.excepthook`; the frames of this file are none of its own."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    error = error.with_traceback(trace)
    try:
        sys.excepthook(type(error), error, trace)
    except BaseException:
        print("Error in sys.excepthook:", file=sys.stderr)  # noqa: T201 - Python's words
        traceback.print_exc()
        print("\nOriginal exception was:", file=sys.stderr)  # noqa: T201
        sys.__excepthook__(type(error), error, trace)


def _end(code: int, template: Template) -> NoReturn:
    shut_down_threads: Any = threading._shutdown  # type: ignore[attr-defined]
    shut_down_threads()
    atexit._run_exitfuncs()
    _clear_modules(template)
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        code = code or BROKEN_OUTPUT
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    if "ctypes" in sys.modules:
        sys.modules["ctypes"].CDLL(None).fflush(None)  # what C libraries have printed
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _clear_modules(template: Template) -> None:
    """Lets go of what the job's own modules hold: files are closed, finalizers run."""
    for name in [name for name in sys.modules if name not in template.modules]:
        module = sys.modules.get(name)
        if isinstance(module, types.ModuleType) and name.partition(".")[0] != "encodings":
            names = [key for key in module.__dict__ if key not in ("__builtins__", "__name__")]
            for key in names:
                module.__dict__[key] = None
    gc.collect()
