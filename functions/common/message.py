"""The form of every message to people: a subject that SNS takes, paragraphs of plain text, what to type next.

SNS takes a subject of fewer than 100 ASCII characters without line breaks. Messages never hold a passenger's
values: they go to mailboxes and chats.
"""

from __future__ import annotations

from collections.abc import Iterable

from functions.common.inputs import StrictModel

LONGEST_SUBJECT = 99
DEFAULT_ENV = "dev"  # what the operator's command assumes
RUNBOOKS = "docs/runbooks"
NAME_WIDTH = 9  # of most pairs, so that a message's blocks line up


class Message(StrictModel):
    """What SNS publishes."""

    subject: str
    message: str


def write_message(env: str, headline: str, paragraphs: Iterable[str], commands: Iterable[str]) -> Message:
    """Empty paragraphs are left out; `commands` come last, the first one first."""
    following = "\n".join(["Next:", *(f"  {command}" for command in commands)])
    parts = [f"{headline} ({env}).", *paragraphs, following]
    text = "\n\n".join(part for part in parts if part)
    return Message(subject=subject(f"[{env}] {headline}"), message=f"{text}\n")


def subject(text: str) -> str:
    """Within what SNS accepts; the message has it whole."""
    ascii_text = " ".join(text.encode("ascii", "replace").decode().split())
    return ascii_text if len(ascii_text) <= LONGEST_SUBJECT else ascii_text[: LONGEST_SUBJECT - 3] + "..."


def pairs(lines: Iterable[tuple[str, str | None]]) -> str:
    """`Name:    value` lines that line up; those without a value are left out."""
    said = [(f"{name}: ", value) for name, value in lines if value]
    width = max([NAME_WIDTH, *(len(name) for name, _ in said)])
    return "\n".join(f"{name:<{width}}{value}" for name, value in said)


def command(text: str, env: str) -> str:
    """What to type for an environment other than the default one."""
    return text if env == DEFAULT_ENV else f"{text} --env {env}"


def console_link(execution_arn: str) -> str:
    """The execution in the AWS console."""
    region = execution_arn.split(":")[3]
    return (
        f"https://{region}.console.aws.amazon.com/states/home?region={region}"
        f"#/v2/executions/details/{execution_arn}"
    )


def runbook(name: str) -> str:
    """What to do, step by step, as a path in the repository."""
    return f"{RUNBOOKS}/{name}.md"
