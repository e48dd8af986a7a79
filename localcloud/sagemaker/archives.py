"""Tar archives of jobs: user code is unpacked safely, artifacts are packed reproducibly."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath


class UnsafeArchive(Exception):
    """An archive that is not unpacked; the message names the member at fault, or what is broken."""


def extract(archive: Path, folder: Path) -> None:
    """Unpacks a .tar.gz into `folder`, or nothing of it: each member is judged before the first is written.

    Only folders and regular files are accepted. A link could lead anything after it out of the folder.
    """
    try:
        with tarfile.open(archive, "r:*") as opened:
            members = opened.getmembers()
            for member in members:
                _judge(member)
            for member in members:
                _write(opened, member, folder / member.name)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UnsafeArchive(f"{archive.name} cannot be unpacked: {error}") from error


def pack(folder: Path, target: Path) -> bool:
    """Packs what `folder` holds; the same files give the same bytes. False, and no file, when it is empty."""
    paths = sorted(folder.rglob("*"))
    if not paths:
        return False
    with (
        target.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as compressed,
        tarfile.open(mode="w", fileobj=compressed, format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in paths:
            archive.add(path, path.relative_to(folder).as_posix(), recursive=False, filter=_without_traces)
    return True


def _judge(member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise UnsafeArchive(f"member {member.name!r} would be written outside the code folder")
    if not (member.isfile() or member.isdir()):
        raise UnsafeArchive(f"member {member.name!r} is neither a file nor a folder")


def _write(opened: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    source = opened.extractfile(member)
    if source is None:  # only for what is no file
        raise UnsafeArchive(f"member {member.name!r} has no content")
    with source, target.open("wb") as written:
        shutil.copyfileobj(source, written)
    target.chmod(0o755 if member.mode & 0o100 else 0o644)


def _without_traces(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member
