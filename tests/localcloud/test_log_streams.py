from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Aws = Callable[[str], Any]


@pytest.fixture
def group(aws: Aws) -> str:
    """A log group of three streams, each with a line that is the stream's own name."""
    logs, name = aws("logs"), f"/test/{uuid.uuid4().hex[:8]}"
    logs.create_log_group(logGroupName=name)
    for stream in ("train-1/algo-1", "train-2/algo-1", "evaluate-1"):
        logs.create_log_stream(logGroupName=name, logStreamName=stream)
        line = {"timestamp": int(time.time() * 1000), "message": stream}
        logs.put_log_events(logGroupName=name, logStreamName=stream, logEvents=[line])
    return name


def messages(aws: Aws, group: str, **given: Any) -> set[str]:
    found = aws("logs").filter_log_events(logGroupName=group, **given)["events"]
    return {event["message"] for event in found}


@pytest.mark.parametrize(
    ("prefix", "streams"),
    [
        ("train-", {"train-1/algo-1", "train-2/algo-1"}),
        ("train-2/", {"train-2/algo-1"}),
        ("algo-1", set()),
    ],
)
def test_only_streams_whose_name_begins_so_are_searched(
    aws: Aws, group: str, prefix: str, streams: set[str]
) -> None:
    assert messages(aws, group, logStreamNamePrefix=prefix) == streams


def test_a_pattern_and_a_prefix_count_together(aws: Aws, group: str) -> None:
    found = messages(aws, group, logStreamNamePrefix="train-", filterPattern='"train-1"')
    assert found == {"train-1/algo-1"}


def test_without_a_prefix_every_stream_is(aws: Aws, group: str) -> None:
    assert len(messages(aws, group)) == 3


def test_a_prefix_beside_names_is_refused(aws: Aws, group: str) -> None:
    with pytest.raises(ClientError, match="InvalidParameterException"):
        messages(aws, group, logStreamNamePrefix="train-", logStreamNames=["evaluate-1"])


def test_a_group_that_is_not_there_is_told_as_such(aws: Aws) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        messages(aws, "/test/gone", logStreamNamePrefix="train-")
