from __future__ import annotations

import io
import os
import tarfile
import time
from pathlib import Path

import pytest

from localcloud.sagemaker.archives import UnsafeArchive, extract, pack


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as opened:
        for member, content in members:
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return path


def file(name: str, content: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), content


def link(name: str, target: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def test_unpacks_files_and_folders(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    extract(archive(tmp_path / "a.tar.gz", file("pipeline/code/train.py", b"print()")), folder)
    assert (folder / "pipeline/code/train.py").read_bytes() == b"print()"


@pytest.mark.parametrize("name", ["../evil.py", "pipeline/../../evil.py", "/tmp/evil.py"])
def test_writes_nothing_of_an_archive_that_leads_outside(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inner" / "code"
    with pytest.raises(UnsafeArchive, match=rf"member '{name}' would be written outside"):
        extract(archive(tmp_path / "a.tar.gz", file("good.py"), file(name)), folder)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "a.tar.gz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_refuses_links_and_devices(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(UnsafeArchive, match="member 'out' is neither a file nor a folder"):
        extract(
            archive(tmp_path / "a.tar.gz", link("out", "..", kind), file("out/evil.py")), tmp_path / "code"
        )


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"\x1f\x8b\x08\x00broken"])
def test_says_so_when_the_file_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(UnsafeArchive, match=r"a\.tar\.gz cannot be unpacked"):
        extract(tmp_path / "a.tar.gz", tmp_path / "code")


def test_says_so_when_the_archive_was_cut_off(tmp_path: Path) -> None:
    whole = archive(tmp_path / "a.tar.gz", file("big", os.urandom(50_000))).read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnsafeArchive, match="cannot be unpacked"):
        extract(tmp_path / "a.tar.gz", tmp_path / "code")


def test_packs_the_same_files_into_the_same_bytes(tmp_path: Path) -> None:
    for name, age in (("one", 0), ("two", 1000)):
        (tmp_path / name / "sub").mkdir(parents=True)
        for path in ("model", "sub/more"):
            (tmp_path / name / path).write_text(path)
            os.utime(tmp_path / name / path, (time.time() - age,) * 2)
        assert pack(tmp_path / name, tmp_path / f"{name}.tar.gz")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "one.tar.gz") as packed:
        assert packed.getnames() == ["model", "sub", "sub/more"]


def test_packs_nothing_of_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert not pack(tmp_path / "empty", tmp_path / "empty.tar.gz")
    assert not (tmp_path / "empty.tar.gz").exists()
