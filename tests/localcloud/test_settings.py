from __future__ import annotations

from pathlib import Path

import pytest

from localcloud import control
from localcloud.forkserver import client
from localcloud.settings import processes_of


def test_jobs_are_forked_where_that_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "supported", lambda: True)
    assert processes_of({}) == "forked"
    assert processes_of({"LOCALCLOUD_PROCESSES": "plain"}) == "plain"


def test_jobs_are_plain_processes_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "supported", lambda: False)
    assert processes_of({}) == processes_of({"LOCALCLOUD_PROCESSES": "forked"}) == "plain"


def test_a_cloud_does_not_start_with_a_mistyped_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALCLOUD_PROCESSES", "plian")
    with pytest.raises(control.StartFailed, match="'plian': it may be forked or plain"):
        control.start(tmp_path, port=0)
