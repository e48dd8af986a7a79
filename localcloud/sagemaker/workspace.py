"""A job's own folder, which stands in for the container's `/opt/ml`.

There is no container and no root here, so the prefix `/opt/ml` is rewritten to the job's folder wherever
the job can see it: entry point, arguments and environment values.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path, PurePosixPath

PREFIX = "/opt/ml"

_MENTION = re.compile(rf"(?<![\w.-]){re.escape(PREFIX)}(?![\w.-])")
_SHELL_SAFE = re.compile(r"[\w@%+=:,./-]+")


class OutsideWorkspace(Exception):
    """A path that a job may not use: not under `/opt/ml`, or leaving it."""


class Workspace:
    """The folders of one job. Made by `jobs.Jobs` when the job starts, removed when it ends."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._link: Path | None = None
        self.opt_ml = root / "opt" / "ml"
        shutil.rmtree(root, ignore_errors=True)  # of a cloud that was killed
        self.opt_ml.mkdir(parents=True)
        if not _SHELL_SAFE.fullmatch(str(self.opt_ml)):
            # Entry points are often shell commands; a blank in the home folder's name would split them.
            self._link = Path(tempfile.mkdtemp(prefix="job-"))
            (self._link / "ml").symlink_to(self.opt_ml)
            self.opt_ml = self._link / "ml"

    def localise(self, text: str) -> str:
        """`text` with each `/opt/ml` replaced by this job's folder."""
        return _MENTION.sub(lambda _match: str(self.opt_ml), text)

    def path(self, container_path: str) -> Path:
        """Where a path inside the container lies here. Raises `OutsideWorkspace`."""
        parts = PurePosixPath(container_path).parts
        if parts[:3] != ("/", "opt", "ml") or ".." in parts:
            raise OutsideWorkspace(f"{container_path} is not a path under {PREFIX}")
        return self.opt_ml.joinpath(*parts[3:])

    def folder(self, container_path: str) -> Path:
        """The same, made if it is not there."""
        folder = self.path(container_path)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        if self._link:
            shutil.rmtree(self._link, ignore_errors=True)
