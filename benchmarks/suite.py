"""`make test` and `make demo` against another commit's, run in turn: `python -m benchmarks suite`.

Takes longer than all the rest, which leaves its rows where they are.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Pairs, Row, Target
from ops.names import ROOT

COMMANDS = {"make demo": 3, "make test": 1}  # how often each
ROWS = {f"`{command}`" for command in COMMANDS}


def measure(commit: str) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="suite-") as folder:
        revisions = {name: _revision(name) for name in ("HEAD", commit)}
        trees = {name: _tree(revision, Path(folder, name)) for name, revision in revisions.items()}
        return [_measure_command(command, times, commit, trees) for command, times in COMMANDS.items()]


def _measure_command(command: str, times: int, commit: str, trees: dict[str, Path]) -> Row:
    pairs = Pairs()
    for _ in range(times):
        pairs.ours.append(_seconds(command, trees["HEAD"]))
        pairs.against.append(_seconds(command, trees[commit]))
    return Row.of_pairs(f"`{command}`", f"the same at {commit}", pairs, Target())


def _tree(revision: str, folder: Path) -> Path:
    """A clone at the revision, set up."""
    _run(["git", "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(folder)], ROOT)
    _run(["git", "checkout", "--quiet", "--detach", revision], folder)
    _run(["make", "setup", ".venv-authoring/.ready"], folder)
    return folder


def _revision(commit: str) -> str:
    """Raises `SystemExit` with what to do when this clone does not have it."""
    asked = ["git", "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"]
    found = subprocess.run(asked, cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()
    if not found:
        raise SystemExit(
            f"This clone has no commit {commit}: git fetch --unshallow, or name one with --against."
        )
    return found


def _seconds(command: str, folder: Path) -> float:
    start = time.perf_counter()
    _run(command.split(), folder)
    return time.perf_counter() - start


def _run(command: list[str], folder: Path) -> None:
    """Raises `RuntimeError` with the end of what a command printed when it fails."""
    ended = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)} in {folder} failed:\n{ended.stdout[-2000:]}")
