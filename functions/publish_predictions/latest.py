"""`predictions/latest.json`: which complete set is the newest. Moved forward only.

Several runs may end at once, so reading and then writing is not enough: the write carries the condition
that nobody wrote in between (S3's If-Match, and If-None-Match for the first one ever), and a run that
loses looks again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from functions.common import s3 as storage
from functions.common.clients import Client
from functions.common.s3 import S3Uri

ATTEMPTS = 10  # each one lost means that another run got through
LOST = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")

Pointer = Mapping[str, Any]


def move_forward(s3: Client, uri: S3Uri, pointer: Pointer, attempts: int = ATTEMPTS) -> bool:
    """Whether `pointer` is now, or already was, the one at `uri`; false when a later set's is."""
    current, condition = _read(s3, uri)
    if current and _order(current) >= _order(pointer):
        return bool(current["run_id"] == pointer["run_id"])
    try:
        storage.write_json(s3, uri, pointer, **condition)
    except ClientError as error:
        if error.response["Error"]["Code"] not in LOST or attempts == 1:
            raise
        return move_forward(s3, uri, pointer, attempts - 1)
    return True


def _read(s3: Client, uri: S3Uri) -> tuple[Pointer | None, dict[str, str]]:
    """The pointer and the condition for replacing it. One that cannot be read counts as none."""
    if not storage.object_exists(s3, uri):
        return None, {"IfNoneMatch": "*"}
    found = s3.get_object(Bucket=uri.bucket, Key=uri.key)
    condition = {"IfMatch": found["ETag"]}
    try:
        pointer = json.loads(found["Body"].read())
        _order(pointer)
    except (ValueError, KeyError, TypeError):
        return None, condition
    return pointer, condition


def _order(pointer: Pointer) -> tuple[str, str, str]:
    """The date a set is for, then when its run started; the id only so that two runs are never equal."""
    return str(pointer["run_date"]), str(pointer["started_at"]), str(pointer["run_id"])
