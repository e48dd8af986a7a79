"""Job data between S3 and a job's folder: S3Prefix inputs in File mode, EndOfJob outputs.

The S3 client is the job role's, so a role that may not read its input fails here as it would on AWS.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

S3_ERRORS = (ClientError, BotoCoreError)


class TransferFailed(Exception):
    """Data did not arrive. The message is the job's FailureReason."""


@dataclass(frozen=True)
class S3Object:
    """An object found under a prefix. `path` is its key below the prefix, `size` in bytes."""

    bucket: str
    key: str
    path: str
    size: int


def split_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/key` as (bucket, key); raises `TransferFailed`."""
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc:
        raise TransferFailed(f"ClientError: Invalid S3 URI: {uri}")
    return parts.netloc, uri.split(parts.netloc, 1)[1].lstrip("/")


def find(s3: Any, uri: str) -> list[S3Object]:
    """The object, or everything whose key begins with the prefix; raises `TransferFailed` for nothing."""
    bucket, prefix = split_uri(uri)
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = [
            S3Object(bucket, item["Key"], _relative(item["Key"], prefix), item["Size"])
            for listed in pages
            for item in listed.get("Contents", [])
            if not item["Key"].endswith("/")
        ]
    except S3_ERRORS as error:
        raise TransferFailed(f"ClientError: Data download failed:{words(error)} ({uri})") from error
    if not found:
        raise TransferFailed(
            f"ClientError: Data download failed:NoSuchKey (404): no object or prefix {uri}. Please ensure"
            " that objects exist under that S3 prefix and that the role may list and read them"
        )
    return found


def download(s3: Any, uri: str, folder: Path) -> list[Path]:
    """Fetches the object, or everything whose key begins with the prefix, into `folder`."""
    found = find(s3, uri)
    try:
        return [_fetch(s3, item, folder) for item in found]
    except S3_ERRORS as error:
        raise TransferFailed(f"ClientError: Data download failed:{words(error)} ({uri})") from error


def read(s3: Any, uri: str) -> bytes:
    """One whole object, for small files; raises `TransferFailed`."""
    bucket, key = split_uri(uri)
    try:
        body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body
    except S3_ERRORS as error:
        raise TransferFailed(f"ClientError: Data download failed:{words(error)} ({uri})") from error


def upload_folder(s3: Any, folder: Path, uri: str) -> None:
    """Uploads every file under `folder`; an empty folder uploads nothing, as on AWS."""
    base = uri.rstrip("/")
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            upload_file(s3, path, f"{base}/{path.relative_to(folder).as_posix()}")


def upload_file(s3: Any, path: Path, uri: str) -> None:
    """Uploads one file in one request, which costs the local S3 less than parts; raises `TransferFailed`."""
    bucket, key = split_uri(uri)
    try:
        with path.open("rb") as body:
            s3.put_object(Bucket=bucket, Key=key, Body=body)
    except S3_ERRORS as error:
        raise TransferFailed(f"ClientError: Data upload failed:{words(error)} ({uri})") from error


def _relative(key: str, prefix: str) -> str:
    """The path below the folder that the prefix names; for a prefix inside a name, below its parent."""
    if prefix and key.startswith(prefix.rstrip("/") + "/"):
        return key[len(prefix.rstrip("/")) + 1 :]
    return key[len(prefix.rpartition("/")[0]) :].lstrip("/")


def _fetch(s3: Any, found: S3Object, folder: Path) -> Path:
    target = folder / found.path
    if ".." in PurePosixPath(found.key).parts or not target.resolve().is_relative_to(folder.resolve()):
        raise TransferFailed(
            f"ClientError: Data download failed:the key {found.key!r} leads outside the job's folder"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    # Streamed by hand: the transfer manager asks twice and starts threads for every file, however small.
    body = s3.get_object(Bucket=found.bucket, Key=found.key)["Body"]
    with body, target.open("wb") as written:
        shutil.copyfileobj(body, written)
    return target


def words(error: Exception) -> str:
    """What S3 said: its code and message."""
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        return f"{details.get('Code')}: {details.get('Message')}"
    return str(error)
