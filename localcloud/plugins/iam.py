"""IAM's judge, for every service alike: what it is asked about, and what it has decided.

- What it decides about a role is kept (`localcloud/judgements.py`). MiniStack's judge tells its callers no
  more than whether a call is denied; which statement decided is known to what it asks first, the evaluation
  of the caller's own policies.
- The batch operations of SQS are judged as what they do many times: IAM knows no `sqs:SendMessageBatch`.
- `DescribeAlarms` is judged by the alarms that it names, each of which must be allowed, or else by all there
  are. MiniStack takes it for a call without resources.
- A schedule is one of its group. MiniStack takes every schedule for one of the default group.

Registration points: `iam_evaluator.enforce`, which all services and plug-ins ask, `iam_evaluator.evaluate`,
which it calls, and `iam_actions.extract_resource_arn`.
"""

from __future__ import annotations

import contextvars
import itertools
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from localcloud.judgements import FILE, Judgement
from localcloud.settings import settings

_lock = threading.Lock()
_evaluations: contextvars.ContextVar[list[tuple[Any, Any]]] = contextvars.ContextVar("localcloud_evaluations")


class Resources(str):
    """Several resources of one call, all of which must be allowed. Who knows of one only sees the first."""

    arns: tuple[str, ...]

    @classmethod
    def of(cls, arns: Iterable[str]) -> Resources:
        every = tuple(arns)
        resources = cls(every[0])
        resources.arns = every
        return resources


def enforce(original: Callable[..., Any], file: Path) -> Callable[..., Any]:
    """Judges each resource of a call, and writes down what was decided about a role."""

    def judge(
        key: str, action: str, service: str, region: str, resource_arn: str = "*", **context: Any
    ) -> Any:
        action = action.removesuffix("Batch") if service == "sqs" else action
        for arn in getattr(resource_arn, "arns", (resource_arn,)):
            evaluations: list[tuple[Any, Any]] = []
            outer = _evaluations.set(evaluations)
            try:
                denied = original(key, action, service, region, resource_arn=arn, **context)
            finally:
                _evaluations.reset(outer)
            if evaluations and evaluations[0][0].principal_type == "AssumedRole":
                _write(file, *evaluations[0], allowed=not denied)
            if denied:
                return denied
        return None

    return judge


def evaluate(original: Callable[..., Any]) -> Callable[..., Any]:
    """Leaves an evaluation to the judge that asked for it. Resource policies come after the caller's own."""

    def evaluated(context: Any, *policies: Any) -> Any:
        result = original(context, *policies)
        if (kept := _evaluations.get(None)) is not None:
            kept.append((context, result))
        return result

    return evaluated


def extract_resource_arn(original: Callable[..., str]) -> Callable[..., str]:
    """Knows the alarms of `DescribeAlarms`, and the groups of schedules."""

    def extract(service: str, method: str, path: str, *request: Any) -> str:
        headers, body, query, region, account_id = request
        if service == "monitoring" and _asks_for_alarms(path, headers, query):
            names = _alarm_names(headers, body, query) or ["*"]
            return Resources.of(f"arn:aws:cloudwatch:{region}:{account_id}:alarm:{name}" for name in names)
        if service == "scheduler" and path.startswith("/schedules/"):
            group = _first(query.get("groupName")) or json.loads(body or b"{}").get("GroupName") or "default"
            name = path.removeprefix("/schedules/")
            return f"arn:aws:scheduler:{region}:{account_id}:schedule/{group}/{name}"
        return original(service, method, path, *request)

    return extract


def install() -> None:
    from ministack.core import iam_actions, iam_evaluator

    here = settings()
    if not here.enforce_iam:
        return
    file = here.home / FILE
    file.write_text("", encoding="utf-8")
    iam_evaluator.enforce = enforce(iam_evaluator.enforce, file)
    iam_evaluator.evaluate = evaluate(iam_evaluator.evaluate)
    iam_actions.extract_resource_arn = extract_resource_arn(iam_actions.extract_resource_arn)


def _asks_for_alarms(path: str, headers: Mapping[str, str], query: Mapping[str, Any]) -> bool:
    """Each of CloudWatch's protocols names the operation elsewhere: path, header, parameters."""
    target = headers.get("x-amz-target", "").rpartition(".")[2]
    return "DescribeAlarms" in (path.rpartition("/")[2], target, _first(query.get("Action")))


def _alarm_names(headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]) -> list[str]:
    if "json" in headers.get("content-type", ""):
        return list(json.loads(body or b"{}").get("AlarmNames", []))
    members = (_first(query.get(f"AlarmNames.member.{number}")) for number in itertools.count(1))
    return list(itertools.takewhile(bool, members))


def _first(value: Any) -> str:
    """MiniStack keeps parameters as lists."""
    return str((value[0] if isinstance(value, list) else value) or "") if value else ""


def _write(file: Path, context: Any, result: Any, *, allowed: bool) -> None:
    judged = Judgement(
        context.principal_arn, context.action, context.resource_arn, result.matched_sid, allowed
    )
    with _lock, file.open("a", encoding="utf-8") as lines:
        lines.write(judged.to_json() + "\n")
