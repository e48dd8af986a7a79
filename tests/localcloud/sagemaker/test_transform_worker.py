"""A transform worker's plan, and what it leaves of an object, without a process or a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from localcloud.sagemaker.transform_worker import Plan, transform, transform_object
from localcloud.sagemaker.xgboost_serving import InvocationFailed

FILE = {"bucket": "b", "key": "in/a.csv"}


def plan(tmp_path: Path, **more: Any) -> Plan:
    written = {
        "model": str(tmp_path),
        "content_type": "text/csv",
        "accept": "text/csv",
        "split": True,
        "assemble": True,
        "gzip": False,
        "single_record": False,
        "payload_bytes": 1024,
        "processing": {},
        "files": [FILE],
        **more,
    }
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(written))
    return Plan.read(path)


def echo(payload: bytes, _content_type: str, _accept: str) -> bytes:
    return payload


def test_an_output_appears_only_when_it_is_complete(tmp_path: Path, s3: Any) -> None:
    s3.objects["s3://b/in/a.csv"] = b"1,2\n3,4"
    output = tmp_path / "0"

    def invocation(payload: bytes, content_type: str, accept: str) -> bytes:
        assert not Path(f"{output}.out").exists()
        return echo(payload, content_type, accept)

    assert transform_object(s3, plan(tmp_path), invocation, {**FILE, "output": str(output)})
    assert Path(f"{output}.out").read_bytes() == b"1,2\n3,4\n"


def test_a_record_that_is_refused_leaves_a_reason_and_no_output(
    tmp_path: Path, s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    s3.objects["s3://b/in/a.csv"] = b"1\n2\nx\n4\n"

    def invocation(payload: bytes, _content_type: str, _accept: str) -> bytes:
        if payload == b"x\n":
            raise InvocationFailed(415, "no number:\n x")
        return payload

    output = tmp_path / "0"
    assert not transform_object(
        s3, plan(tmp_path, single_record=True), invocation, {**FILE, "output": str(output)}
    )
    assert not Path(f"{output}.out").exists()
    assert Path(f"{output}.reason").read_text() == (
        "ClientError: See job logs for more information: b/in/a.csv: ClientError: 415: no number:\n x"
    )
    said = [line.split(":[sagemaker logs]: b/in/a.csv: ")[1] for line in capsys.readouterr().out.splitlines()]
    assert said == ["ClientError: 415", "", "Message:", "no number:", " x"]


@pytest.mark.parametrize("refuse", [None, "AccessDenied"])
def test_an_object_that_cannot_be_read_leaves_a_reason(tmp_path: Path, s3: Any, refuse: str | None) -> None:
    s3.refuse = refuse
    output = tmp_path / "0"
    assert not transform_object(s3, plan(tmp_path), echo, {**FILE, "output": str(output)})
    assert (
        f"ClientError: Data download failed:{refuse or 'NoSuchKey'}" in Path(f"{output}.reason").read_text()
    )


def test_payloads_are_asked_for_one_after_the_other(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def invocation(payload: bytes, content_type: str, accept: str) -> bytes:
        asked.append(payload)
        assert (content_type, accept) == ("text/csv", "text/csv")
        return payload.upper()

    chunks = [b"aa\nb", b"b\ncc\nd", b"d"]
    outputs = transform(chunks, plan(tmp_path, payload_bytes=6), invocation)
    assert next(outputs) == b"AA\nBB\n"
    assert asked == [b"aa\nbb\n"]
    assert list(outputs) == [b"CC\nDD\n"]
    assert asked == [b"aa\nbb\n", b"cc\ndd"]


def test_answers_are_put_together_as_they_come_when_nothing_assembles_them(tmp_path: Path) -> None:
    unassembled = plan(tmp_path, assemble=False, payload_bytes=2)
    assert list(transform([b"a\nb"], unassembled, lambda payload, _type, _accept: payload.strip())) == [
        b"a",
        b"b",
    ]
