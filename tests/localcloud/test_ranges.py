"""Ranges of objects, as S3 answers them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

BODY = bytes(range(256)) * 400


@pytest.fixture(scope="module")
def key(aws: Callable[[str], Any], bucket: str) -> str:
    aws("s3").put_object(Bucket=bucket, Key="ranges/object", Body=BODY)
    return "ranges/object"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=300-999", 300, 1000),
        ("bytes=102000-", 102000, len(BODY)),
        ("bytes=-7", len(BODY) - 7, len(BODY)),
        ("bytes=102390-999999", 102390, len(BODY)),
    ],
)
def test_a_range_is_those_bytes(
    aws: Callable[[str], Any], bucket: str, key: str, asked: str, start: int, end: int
) -> None:
    answer = aws("s3").get_object(Bucket=bucket, Key=key, Range=asked)
    assert answer["Body"].read() == BODY[start:end]
    assert answer["ContentRange"] == f"bytes {start}-{end - 1}/{len(BODY)}"
    assert answer["ContentLength"] == end - start
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_a_range_beyond_the_end_is_refused(aws: Callable[[str], Any], bucket: str, key: str) -> None:
    with pytest.raises(ClientError, match="InvalidRange"):
        aws("s3").get_object(Bucket=bucket, Key=key, Range="bytes=102400-")


def test_a_range_of_what_was_written_since_is_new(aws: Callable[[str], Any], bucket: str) -> None:
    for body in (b"first body", b"second one, longer"):
        aws("s3").put_object(Bucket=bucket, Key="ranges/changed", Body=body)
        answer = aws("s3").get_object(Bucket=bucket, Key="ranges/changed", Range="bytes=0-")
        assert answer["Body"].read() == body
