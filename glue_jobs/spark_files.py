"""Where Spark reads and writes: in S3 itself on a cluster, beside itself on one machine.

A cluster's executors reach S3 with the job's role: Glue brings that file system. The Spark that `pip`
installs has none, and one machine needs none: boto3 copies.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from glue_jobs.source import CHUNK_BYTES

STAGING = "staging"
PART = "part-"


class SparkFiles(Protocol):
    """What the engine asks of files. A folder that Spark writes holds `part-…` files in the rows' order."""

    def readable(self, uri: str) -> str:
        """The path under which Spark reads the object at an S3 URI."""

    def staging(self, uri: str) -> str:
        """The path of a folder of Spark's own for what is to stand at `uri`."""

    def parts(self, folder: str) -> Iterator[bytes]:
        """The bytes of a folder's parts, one after the other, a mebibyte at a time."""

    def discard(self, folder: str) -> None:
        """Remove a folder with what is in it, if it is there."""


def files_for(master: str, s3: Any) -> SparkFiles:
    """How a Spark whose master is called `master` (`local[*]`, `yarn`, …) gets at files."""
    return OneMachine(s3) if master.startswith("local") else Cluster(s3)


def object_of(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


class Cluster:
    """S3 for all. Parts lie below `staging/` until they are put together; a job that dies leaves them."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def readable(self, uri: str) -> str:
        return _taken_literally(uri)

    def staging(self, uri: str) -> str:
        bucket, key = object_of(uri)
        return f"s3://{bucket}/{STAGING}/{key}"

    def parts(self, folder: str) -> Iterator[bytes]:
        bucket, _ = object_of(folder)
        for key in _in_order(key for key in self._keys(folder) if key.rpartition("/")[2].startswith(PART)):
            yield from self._s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(CHUNK_BYTES)

    def discard(self, folder: str) -> None:
        bucket, _ = object_of(folder)
        for key in self._keys(folder):
            self._s3.delete_object(Bucket=bucket, Key=key)

    def _keys(self, folder: str) -> list[str]:
        bucket, key = object_of(folder)
        prefix = key if key.endswith("/") else f"{key}/"
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


class OneMachine:
    """Copies in a temporary folder, which goes when the engine does."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self._folder = TemporaryDirectory(prefix="prepare-")

    def readable(self, uri: str) -> str:
        bucket, key = object_of(uri)
        copy = self._path("source", uri)
        copy.parent.mkdir(exist_ok=True)
        self._s3.download_file(bucket, key, str(copy))
        return _taken_literally(str(copy))

    def staging(self, uri: str) -> str:
        return str(self._path(STAGING, uri))

    def parts(self, folder: str) -> Iterator[bytes]:
        for path in _in_order(map(str, Path(folder).glob(f"{PART}*"))):
            with Path(path).open("rb") as part:
                while chunk := part.read(CHUNK_BYTES):
                    yield chunk

    def discard(self, folder: str) -> None:
        shutil.rmtree(folder, ignore_errors=True)

    def _path(self, kind: str, uri: str) -> Path:
        return Path(self._folder.name, kind, hashlib.sha256(uri.encode()).hexdigest())


def _in_order(names: Iterable[str]) -> list[str]:
    """Spark counts in five digits, and in six past 99,999; the rest of a name is as long in all."""
    return sorted(names, key=lambda name: (len(name), name))


def _taken_literally(path: str) -> str:
    """Spark reads a path as a pattern."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", path)
