from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from ops import alerts, cli, target
from ops.errors import ExitCode
from ops.target import Target

BODY = "Training failed (dev).\n\nState: PrepareData\n"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "WAIT_SECONDS", 0)


@pytest.fixture
def queue(aws: Target) -> str:
    sqs = aws.client("sqs")
    sqs.create_queue(QueueName=aws.names["dead_letter_queue"])
    return str(sqs.create_queue(QueueName=aws.names["alerts_queue"])["QueueUrl"])


def send(aws: Target, queue: str, subject: str, text: str = BODY) -> None:
    envelope = {"Type": "Notification", "MessageId": f"id-{subject}", "Subject": subject, "Message": text}
    aws.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(envelope))


def subjects(found: list[alerts.Alert]) -> list[str]:
    return [alert.subject for alert in found]


def test_reading_takes_nothing_away(aws: Target, queue: str) -> None:
    send(aws, queue, "one")

    assert subjects(alerts.read_alerts(aws)) == ["one"]
    assert subjects(alerts.read_alerts(aws)) == ["one"]


def test_reads_more_than_one_answer_holds_oldest_first(aws: Target, queue: str) -> None:
    wanted = [f"{number:02d}" for number in range(25)]
    for subject in wanted:
        send(aws, queue, subject)

    found = alerts.read_alerts(aws)

    assert sorted(subjects(found)) == wanted
    moments = [alert.sent_at for alert in found]
    assert moments == sorted(moments)


def test_puts_back_what_it_took_when_it_is_interrupted(aws: Target) -> None:
    class Queue:
        meta = None

        def __init__(self) -> None:
            self.put_back: list[str] = []
            self.answers = itertools.count()

        def get_queue_url(self, **_: Any) -> dict[str, str]:
            return {"QueueUrl": "url"}

        def receive_message(self, **_: Any) -> dict[str, Any]:
            if next(self.answers):
                raise KeyboardInterrupt
            return {"Messages": [{"MessageId": "1", "ReceiptHandle": "r1", "Body": "{}", "Attributes": {}}]}

        def change_message_visibility_batch(self, Entries: list[dict[str, Any]], **_: Any) -> None:  # noqa: N803
            self.put_back += [e["ReceiptHandle"] for e in Entries if e["VisibilityTimeout"] == 0]

    queue = Queue()
    aws._clients["sqs"] = queue
    with pytest.raises(KeyboardInterrupt):
        alerts.read_alerts(aws)
    assert queue.put_back == ["r1"]


def test_ends_when_messages_come_back_before_all_were_read(aws: Target) -> None:
    """A queue that is slow to read gives the first messages again: that is not another message."""
    message = {"MessageId": "1", "ReceiptHandle": "r", "Body": "x", "Attributes": {"SentTimestamp": "0"}}

    class Queue:
        def get_queue_url(self, **_: Any) -> dict[str, str]:
            return {"QueueUrl": "url"}

        def receive_message(self, **_: Any) -> dict[str, Any]:
            return {"Messages": [message]}

        def change_message_visibility_batch(self, **_: Any) -> None:
            pass

    aws._clients["sqs"] = Queue()
    assert subjects(alerts.read_alerts(aws)) == ["x"]


@pytest.mark.parametrize("body", ["plain words", '["a list"]', '{"no": "envelope"}', ""])
def test_what_is_no_sns_message_is_shown_as_it_is(body: str) -> None:
    message = {"MessageId": "1", "Body": body, "Attributes": {"SentTimestamp": "1795245842000"}}

    alert = alerts.parse_alert(message)

    assert (alert.subject, alert.text) == (body, "")


def test_what_a_rule_says_has_its_first_line_for_a_subject_and_no_quotes() -> None:
    said = {"MessageId": "1", "Message": '"Endpoint x is Failed."\n"Next: look"'}
    message = {"MessageId": "2", "Body": json.dumps(said), "Attributes": {"SentTimestamp": "1795245842000"}}

    alert = alerts.parse_alert(message)

    assert (alert.subject, alert.text) == ("Endpoint x is Failed.", "Next: look")


def test_following_shows_the_newest_then_each_new_one_once(
    aws: Target, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for subject in ("one", "two"):
        send(aws, queue, subject)
    arrivals = iter(["three", None, "four"])

    def pass_time(_seconds: float) -> None:
        subject = next(arrivals)
        if subject:
            send(aws, queue, subject)

    monkeypatch.setattr(alerts.time, "sleep", pass_time)
    followed = alerts.follow_alerts(aws, 1)

    told = [next(followed).subject for _ in range(3)]

    assert told[0] in ("one", "two")  # sent within one millisecond, perhaps
    assert told[1:] == ["three", "four"]


@pytest.fixture
def there(aws: Target, queue: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(target, "connect", lambda *_: aws)
    return queue


def test_shows_when_subject_and_text(aws: Target, there: str, capsys: pytest.CaptureFixture[str]) -> None:
    send(aws, there, "[dev] Training failed at PrepareData: MissingColumn")

    assert cli.run(["alerts"]) == ExitCode.OK

    said = capsys.readouterr().out
    assert "UTC  [dev] Training failed at PrepareData: MissingColumn" in said
    assert "\n  State: PrepareData\n" in said


def test_text_that_looks_like_markup_stays_as_it_is(
    aws: Target, there: str, capsys: pytest.CaptureFixture[str]
) -> None:
    send(aws, there, "[bold]", "columns [Age] and [/red]")

    cli.run(["alerts"])

    said = capsys.readouterr().out
    assert "[bold]" in said
    assert "columns [Age] and [/red]" in said


def test_limits_to_the_newest_and_prints_json(
    aws: Target, there: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for subject in ("one", "two"):
        send(aws, there, subject)

    assert cli.run(["alerts", "--limit", "1", "--json"]) == ExitCode.OK
    [alert] = json.loads(capsys.readouterr().out)
    assert set(alert) == {"message_id", "sent_at", "subject", "text"}

    cli.run(["alerts", "--limit", "0", "--json"])
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_says_that_there_is_none_yet(there: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["alerts"]) == ExitCode.OK
    assert "No alert yet" in capsys.readouterr().out


def test_says_what_could_not_be_delivered(
    aws: Target, there: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=aws.names["dead_letter_queue"])["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="lost")

    cli.run(["alerts"])

    assert "1 more could not be delivered, started or done" in capsys.readouterr().out


def test_without_the_project_it_says_how_to_deploy_it(
    aws: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(target, "connect", lambda *_: aws)

    assert cli.run(["alerts"]) == ExitCode.FAILED
    assert "not deployed" in capsys.readouterr().err
