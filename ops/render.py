"""How runs, reports and model versions look on a terminal. Data in, rich renderables out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.alerts import Alert
from ops.endpoints import Endpoint
from ops.history import Row, in_words
from ops.pipeline import Step
from ops.predictions import Drift, Shift
from ops.registry import METRICS, ModelVersion
from ops.report import RunReport
from ops.run_logs import Line
from ops.runs import Run
from ops.schedules import Schedule
from ops.scoring import THRESHOLD, Score

PIPELINE_STATE = "WaitForTraining"
"""The state while which the pipeline's steps run: they are shown beneath it."""

_DECISION_STYLES = {
    "registered": "green",
    "published": "green",
    "promoted": "green",
    "already_live": "green",
    "declined": "yellow",
    "gate_timed_out": "yellow",
    "rolled_back": "red",
    "rejected": "yellow",
    "no_approved_model": "yellow",
    "failed": "red",
    "aborted": "red",
    "timed_out": "red",
}
ROOMY = 110
"""Columns from which on a table has room for sentences."""
_SHORT = {"PendingManualApproval": "pending"}
_STATUS_STYLES = {"Approved": "green", "Rejected": "red", "PendingManualApproval": "yellow"}


def progress(rows: Sequence[Row], steps: Sequence[Step], now: datetime) -> Table:
    """Each state and pipeline step with its time so far. `rows` are a `History`'s."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(min_width=22)
    table.add_column(justify="right", min_width=8)
    table.add_column(style="dim", no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(_row_mark(row), row.name, seconds(row.seconds(now)), row_note(row))
        if row.name == PIPELINE_STATE:
            for step in steps:
                table.add_row(*_step_cells(step, now))
    return table


def states(told: RunReport, now: datetime) -> Table:
    """A run's states; from the manifest where Step Functions has forgotten the run."""
    if told.rows:
        return progress(told.rows, told.steps, now)
    table = Table.grid(padding=(0, 1))
    for state in (told.manifest or {}).get("states", []):
        table.add_row(state["name"], seconds(state["seconds"] or 0.0))
    return table


def log_line(line: Line) -> Text | None:
    """`07:01:02.345 DataPreProcessing  …`: one line of a run's logs; None for what is no text at all."""
    said = log_message(line.message)
    if said is None:
        return None
    moment = f"{line.time.astimezone(UTC):%H:%M:%S.%f}"[:-3]
    return Text.assemble((f"{moment} ", "dim"), (f"{line.source:<18} ", "cyan"), said)


def log_message(message: str) -> str | None:
    """What a person reads of a line: a structured one's level and message, nothing of a metric (`_aws`)."""
    document = _json_object(message)
    if "_aws" in document:
        return None
    if "message" not in document:
        return message
    said = f"{document.get('level', '')} {document['message']}".strip()
    return f"{said}\n{document['exception']}" if document.get("exception") else said


def row_note(row: Row) -> str:
    """What is worth saying of a state beside its time."""
    if row.failure:
        return in_words(row.failure).error
    if row.tries > 1:
        return f"{row.tries} tries"
    return f"looked {row.rounds} times" if row.rounds > 1 else ""


def step_note(step: Step) -> str:
    if step.status == "Failed":
        return step.failure_reason or "failed"
    return step.outcome or step.job


def report(console: Console, told: RunReport) -> None:
    """A run's end: what it came to, where everything lies, what next."""
    outcome(console, told)
    console.print()
    places(console, told)
    console.print()
    next_commands(console, told.next_commands)


def outcome(console: Console, told: RunReport) -> None:
    """What a run came to: decision, failure in words, metrics against thresholds, predictions, drift."""
    style = _DECISION_STYLES.get(told.run.decision or "", "bold")
    console.print()
    console.print(Text(told.headline, style=f"bold {style}"))
    if told.failure:
        console.print(Text(told.failure.cause), soft_wrap=True)
    if told.checks:
        console.print()
        console.print(_checks(told))
    if told.predictions and told.predictions.head:
        console.print()
        console.print(head(told.predictions.head))
    if told.drift:
        console.print()
        _drift(console, told.drift)


def places(console: Console, told: RunReport) -> None:
    """Where everything of a run lies."""
    run = f"{told.run.run_id} ({seconds(told.run.seconds())})"
    _pairs(console, [(f"{told.run.title.lower()} run", run), *_answer(told), *_places(told)])


def runs_table(found: Iterable[Run]) -> Table:
    """`titanic runs`."""
    table = plain_table("run", "kind", "status", "decision", "started (UTC)", ">took")
    table.add_column("why", overflow="fold")
    for run in found:
        decision = run.decision or ""
        table.add_row(
            run.run_id,
            run.kind.replace("_", " "),
            run.status,
            Text(decision, style=_DECISION_STYLES.get(decision, "")),
            f"{run.started_at.astimezone(UTC):%m-%d %H:%M}",  # Step Functions forgets after 90 days
            seconds(run.seconds()),
            run.failure.error if run.failure else "",
        )
    return table


def models_table(versions: Iterable[ModelVersion], width: int) -> Table:
    """`titanic models`; who decided and why is shown where there is room for it."""
    roomy = width >= ROOMY
    table = plain_table(">model", "status", *(f">{metric}" for metric in METRICS), "run", "registered (UTC)")
    if roomy:
        table.add_column("decision", overflow="fold")
    for version in versions:
        table.add_row(
            str(version.version),
            Text(_SHORT.get(version.status, version.status), _STATUS_STYLES.get(version.status, "")),
            *(number(version.metrics.get(metric)) for metric in METRICS),
            version.run_id or "",
            f"{version.created_at.astimezone(UTC):%Y-%m-%d %H:%M}",
            *([version.approval_description] if roomy else []),
        )
    return table


def endpoints_table(found: Iterable[Endpoint]) -> Table:
    """`titanic endpoints`."""
    table = plain_table(
        "endpoint", "status", ">model", "instances", "data capture", "configuration", "since (UTC)"
    )
    for endpoint in found:
        style = "green" if endpoint.status == "InService" else "yellow" if endpoint.changing else "red"
        table.add_row(
            endpoint.name,
            Text(endpoint.status, style=style),
            "" if endpoint.version is None else str(endpoint.version),
            f"{endpoint.count} x {endpoint.instance}",
            "on" if endpoint.captures else "off",
            " → ".join(filter(None, [endpoint.config, endpoint.pending_config])),
            f"{endpoint.modified_at.astimezone(UTC):%Y-%m-%d %H:%M}",
        )
    return table


def schedules_table(schedules: Iterable[Schedule]) -> Table:
    """`titanic schedule`."""
    table = plain_table("schedule", "state", "when", "time zone", "starts")
    for schedule in schedules:
        style = "green" if schedule.state == "ENABLED" else "dim"
        table.add_row(
            schedule.name,
            Text(schedule.state, style=style),
            schedule.expression,
            schedule.timezone,
            schedule.starts,
        )
    return table


def violations_table(violations: Iterable[Mapping[str, str]]) -> Table:
    """`titanic monitor`."""
    table = plain_table("feature", "check", "found")
    for each in violations:
        table.add_row(each["feature_name"], each["constraint_check_type"], each["description"])
    return table


def alert(console: Console, sent: Alert) -> None:
    """One alert: when, its subject, and its text as people got it."""
    moment = f"{sent.sent_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    console.print()
    console.print(Text.assemble((f"{moment}  ", "dim"), (sent.subject, "bold")), soft_wrap=True)
    for line in sent.text.strip().splitlines():
        console.print(Text(f"  {line}".rstrip()), soft_wrap=True)


def head(rows: Sequence[Sequence[str]]) -> Table:
    """The first rows of a file, its header first; numbers stand to the right."""
    table = plain_table(*(f">{name}" for name in rows[0]))
    for row in rows[1:]:
        table.add_row(*(_rounded(value) for value in row))
    return table


def fates(
    console: Console,
    probabilities: Mapping[str, float],
    survived: Mapping[str, bool],
    names: Mapping[str, str],
) -> None:
    """A few passengers with what was predicted and what happened: the surest, and the most mistaken."""
    known = sorted(probabilities.keys() & survived, key=lambda identity: probabilities[identity])
    mistaken = sorted(known, key=lambda identity: abs(probabilities[identity] - survived[identity]))[-2:]
    table = plain_table(">PassengerId", "name", ">probability", "survived", "")
    for identity in dict.fromkeys([*known[-2:], *known[:2], *mistaken]):
        right = (probabilities[identity] >= THRESHOLD) == survived[identity]
        verdict = Text("right", "green") if right else Text("wrong", "yellow")
        fate = "yes" if survived[identity] else "no"
        table.add_row(identity, names[identity][:36], number(probabilities[identity]), fate, verdict)
    console.print(table)
    console.print()


def score(console: Console, found: Score, at_training: Mapping[str, Any]) -> None:
    """How right the predictions were, beside what evaluation had promised."""
    table = plain_table("metric", f">{found.rows} new passengers", ">at training")
    for metric, value in (("accuracy", found.accuracy), ("auc", found.auc)):
        table.add_row(metric, number(value), number(at_training.get(metric)))
    console.print(table)


def answers(
    console: Console, endpoint: str, asked: Sequence[tuple[str, str]], probabilities: Sequence[float]
) -> None:
    """What an endpoint said of passengers: (who, what was sent) and the probability of each."""
    table = plain_table(f"{endpoint} says of", "asked as", ">probability")
    for (who, sent), probability in zip(asked, probabilities, strict=True):
        table.add_row(who, sent, number(probability))
    console.print(table)


def seconds(value: float) -> str:
    """A duration as a person reads it: 0.4 s, 2 min 05 s, 1 h 02 min."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, (int, float)) else "" if value is None else str(value)


def _rounded(text: str) -> str:
    """A probability with three decimals; an id as it is."""
    return f"{float(text):.3f}" if "." in text or "e" in text else text


def _row_mark(row: Row) -> Text:
    if row.running:
        return Text("●", style="cyan")
    return Text("✗", style="red") if row.failure else Text("✓", style="green")


def _step_cells(step: Step, now: datetime) -> tuple[Text, str, str, str]:
    marks = {"Succeeded": ("✓", "green"), "Failed": ("✗", "red"), "Stopped": ("✗", "red")}
    mark, style = marks.get(step.status, ("●", "cyan") if step.running else ("·", "dim"))
    elapsed = step.seconds(now)
    return (
        Text(mark, style=style),
        f"  {step.name}",
        "" if elapsed is None else seconds(elapsed),
        step_note(step),
    )


def _checks(told: RunReport) -> Table:
    table = plain_table("metric", ">value", ">at least", "")
    for check in told.checks:
        verdict = Text("passed", "green") if check.passed else Text("failed", "red")
        table.add_row(check.metric, number(check.value), number(check.threshold), verdict)
    return table


def _drift(console: Console, drift: Drift) -> None:
    """One line when nothing moved; what moved, and by how much, when something did."""
    if drift.reason:
        console.print(Text(f"Drift could not be measured: {drift.reason}", "yellow"), soft_wrap=True)
        return
    if not drift.above_threshold:
        most = drift.shifts[0]
        said = f"{most.variable} moved most, {number(most.psi)}; {_why_no_warning(most, drift.threshold)}"
        console.print(Text.assemble("No drift", (f" (population stability index: {said})", "dim")))
        return
    table = plain_table("variable", ">PSI", ">noise", "")
    for shift in drift.shifts:
        verdict = Text("above", "yellow") if shift.above else Text(_not_above(shift, drift.threshold))
        table.add_row(shift.variable, number(shift.psi), number(shift.noise), verdict)
    console.print(Text(f"Drift: the batch is not like the training data (above {drift.threshold})", "yellow"))
    console.print(table)


def _why_no_warning(most: Shift, threshold: float) -> str:
    if most.psi > threshold:
        return f"that is chance: so few rows differ by up to {number(most.noise)} anyway"
    return f"from {threshold} on a warning is sent"


def _not_above(shift: Shift, threshold: float) -> str:
    """The words of the alert's own table."""
    return "chance" if shift.psi > threshold else "ok"


def _answer(told: RunReport) -> list[tuple[str, str]]:
    """What a person said at a promotion's gate."""
    from functions.common.promotion_message import decided

    said = decided(told.gate)
    reason = (told.gate or {}).get("reason")
    return [("gate", f"{said}{f': {reason}' if reason else ''}")] if said else []


def _places(told: RunReport) -> list[tuple[str, str]]:
    places = [(name.replace("_", " "), uri) for name, uri in told.locations.items()]
    if told.model_package_arn:
        places.append(("package", told.model_package_arn))
    places.append(("execution", told.run.execution_arn))
    if told.console_link:
        places.append(("console", told.console_link))
    return places


def _pairs(console: Console, pairs: Sequence[tuple[str, str]]) -> None:
    """Name and value, one pair a line and never wrapped: they are there to be copied."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        console.print(Text.assemble((name.ljust(width + 2), "dim"), value), soft_wrap=True)


def next_commands(console: Console, commands: Sequence[tuple[str, str]]) -> None:
    """Commands to type next, each with what it does."""
    width = max(len(command) for command, _ in commands)
    for index, (command, does) in enumerate(commands):
        lead = "next  " if index == 0 else "      "
        line = Text.assemble((lead, "dim"), (command.ljust(width + 2), "bold"), (does, "dim"))
        console.print(line, soft_wrap=True)


def plain_table(*headings: str) -> Table:
    """A plain table whose columns are never cut; a heading that starts with `>` is one of numbers."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        table.add_column(
            heading.lstrip(">"), justify="right" if heading.startswith(">") else "left", no_wrap=True
        )
    return table


def _json_object(text: str) -> dict[str, Any]:
    if not text.startswith("{"):
        return {}
    try:
        loaded: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return loaded
