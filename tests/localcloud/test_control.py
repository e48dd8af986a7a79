"""Starting, finding and stopping local clouds."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from localcloud import control


def test_says_that_a_port_is_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        with pytest.raises(control.PortInUse, match=str(port)):
            control.start(tmp_path, port=port)
    assert control.status(tmp_path) is None


def test_a_home_has_one_cloud(cloud: control.Cloud) -> None:
    assert control.status(cloud.home) == cloud
    with pytest.raises(control.AlreadyRunning, match=cloud.endpoint_url):
        control.start(cloud.home, port=0)


def test_listens_on_loopback_alone(cloud: control.Cloud) -> None:
    assert cloud.endpoint_url.startswith("http://127.0.0.1:")
    hexadecimal = f"{cloud.port:04X}"
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    listeners = [
        line.split()[1]
        for table in tables
        if table.exists()
        for line in table.read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{hexadecimal}")
    ]
    assert all(address.startswith("0100007F:") for address in listeners)


def test_forgets_a_server_that_was_killed_and_starts_again(tmp_path: Path) -> None:
    first = control.start(tmp_path, port=0)
    os.kill(first.pid, signal.SIGKILL)
    assert control.stop(tmp_path) in (True, False)
    second = control.start(tmp_path, port=0)
    assert second.pid != first.pid
    assert control.stop(tmp_path)
    assert control.status(tmp_path) is None


def test_does_not_stop_a_stranger_whose_number_stands_in_the_state_file(tmp_path: Path) -> None:
    state = {"pid": os.getpid(), "port": 1, "endpoint_url": "http://127.0.0.1:1", "enforce_iam": False}
    (tmp_path / "cloud.json").write_text(json.dumps(state))
    assert control.stop(tmp_path) is False


def test_shows_the_end_of_the_log_when_the_server_cannot_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "shadow"))
    package = tmp_path / "shadow" / "ministack"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('this MiniStack is broken')")
    with pytest.raises(control.StartFailed, match="this MiniStack is broken"):
        control.start(tmp_path / "home", port=0)
