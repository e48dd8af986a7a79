"""S3 by URI. Only lists and gets: a HEAD on a missing key is a 403 under a prefix-bound ListBucket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from functions.common.clients import Client

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class S3Uri:
    """`s3://bucket/key`."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> S3Uri:
        """Raises `ValueError` for anything else, and for keys no two tools agree about (`a/../b`, `a//b`)."""
        scheme, _, rest = text.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not bucket:
            raise ValueError("it is not an s3:// URI")
        if not key.isprintable() or any(part in ("", ".", "..") for part in key.removesuffix("/").split("/")):
            raise ValueError("its path has an empty, '.' or '..' part or an unprintable character")
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]


def list_objects(s3: Client, prefix: S3Uri) -> list[S3Uri]:
    """Every object whose key begins so, in the order of their keys; folder markers do not count."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=prefix.bucket, Prefix=prefix.key)
    keys = (found["Key"] for page in pages for found in page.get("Contents", []))
    return [S3Uri(prefix.bucket, key) for key in keys if not key.endswith("/")]


def read_lines(body: Any) -> Iterator[bytes]:
    """The lines of a streamed object without blank ones and without their ends. Holds a chunk at a time."""
    rest = b""
    for chunk in body.iter_chunks(CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from filter(None, map(bytes.strip, whole))
    if rest.strip():
        yield rest.strip()


def object_exists(s3: Client, uri: S3Uri) -> bool:
    """Whether there is an object at exactly this key; a folder's marker is none.

    The exact key sorts first among those it begins.
    """
    if uri.key.endswith("/"):
        return False
    listed = s3.list_objects_v2(Bucket=uri.bucket, Prefix=uri.key, MaxKeys=1).get("Contents", [])
    return bool(listed) and listed[0]["Key"] == uri.key


def prefix_has_objects(s3: Client, uri: S3Uri) -> bool:
    """Whether anything lies under this key as a folder; the console's folder markers do not count."""
    prefix = uri.key.removesuffix("/") + "/"
    listed = s3.list_objects_v2(Bucket=uri.bucket, Prefix=prefix, MaxKeys=10).get("Contents", [])
    return any(not found["Key"].endswith("/") for found in listed)


def read_json(s3: Client, uri: S3Uri) -> Any:
    """The parsed object, or None where there is no object. Raises `ValueError` when it is no JSON."""
    if not object_exists(s3, uri):
        return None
    return json.loads(s3.get_object(Bucket=uri.bucket, Key=uri.key)["Body"].read())


def write_json(s3: Client, uri: S3Uri, value: Any, **condition: str) -> None:
    """Writes the same bytes for the same value. `condition`: `IfMatch` or `IfNoneMatch`, which S3 judges."""
    body = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    s3.put_object(
        Bucket=uri.bucket, Key=uri.key, Body=body.encode(), ContentType="application/json", **condition
    )
