"""What a drill refuses before it breaks anything, and what it makes of a code bundle."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import boto3
import pytest

from ops import cli, target
from ops.drills import catalogue
from ops.drills.drill import drill
from ops.drills.provoke import with_broken
from ops.errors import DrillImpossible, ExitCode, NotDeployed
from ops.stack.alarm_files import Alarm
from ops.target import Target

ALARM = Alarm("a", "project-dev-a", "queue", "a", "a", {"tells_people": True, "description": "d"})


def watch(state: str = "OK") -> catalogue.Watch:
    return catalogue.Watch(ALARM, {"StateValue": state, "StateReason": "because", "ActionsEnabled": True})


def test_nothing_is_broken_on_aws() -> None:
    there = Target(boto3.Session("x", "y", region_name="eu-west-1"), "dev")
    there.__dict__["identity"] = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:root"}
    assert there.is_aws
    with pytest.raises(DrillImpossible, match="--set-state"):
        drill(there, watch(), lambda _step: None)


def test_an_environment_without_alarms_is_named(aws: Target) -> None:
    with pytest.raises(NotDeployed, match="alarms are not in"):
        catalogue.list_watches(aws)


@pytest.mark.parametrize(
    "words", [["drill"], ["drill", "prod-errors", "--list"], ["monitor", "--day", "2026-11-21"]]
)
def test_a_command_line_that_says_too_little_or_too_much_is_refused(
    words: list[str], aws: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "connect", lambda *_: aws)
    assert cli.run(words) == ExitCode.USAGE


def test_an_alarm_tells_people_while_its_actions_are_on() -> None:
    silent = catalogue.Watch(ALARM, {"StateValue": "OK", "ActionsEnabled": False})
    assert watch().to_json()["tells_people"]
    assert not silent.to_json()["tells_people"]


def test_one_script_of_a_bundle_is_broken_and_the_others_are_as_they_were() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("pipeline/code/train.py", "pipeline/code/job.py"):
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"pass"))
    with tarfile.open(fileobj=io.BytesIO(with_broken(packed.getvalue(), "pipeline/code/train.py"))) as broken:
        contents = {member.name: read(broken, member) for member in broken.getmembers()}
    assert contents["pipeline/code/train.py"].startswith(b"raise RuntimeError")
    assert contents["pipeline/code/job.py"] == b"pass"


def read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    stream = archive.extractfile(member)
    assert stream
    return stream.read()
