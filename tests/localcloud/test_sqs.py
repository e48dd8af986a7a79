"""Queues and what is in them outlive a restart, also on another port."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from localcloud import control


def test_messages_are_still_there_when_the_cloud_comes_back_on_another_port(
    tmp_path: Path, clients_of: Callable[[str], Any]
) -> None:
    try:
        first = control.start(tmp_path, port=0)
        sqs = clients_of(first.endpoint_url)("sqs")
        url = sqs.create_queue(QueueName="kept")["QueueUrl"]
        assert url.startswith(first.endpoint_url)
        sqs.send_message(QueueUrl=url, MessageBody="remember me")
        control.stop(tmp_path)

        second = control.start(tmp_path, port=0)
        sqs = clients_of(second.endpoint_url)("sqs")
        again = sqs.create_queue(QueueName="kept")["QueueUrl"]
        assert sqs.list_queues()["QueueUrls"] == [again]
        assert again.startswith(second.endpoint_url)
        [message] = sqs.receive_message(QueueUrl=again)["Messages"]
        assert message["Body"] == "remember me"
    finally:
        control.stop(tmp_path)
