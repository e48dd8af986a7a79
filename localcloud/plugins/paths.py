"""JSONPath in state machines: what MiniStack reads more leniently than AWS, or not at all.

- a path that selects nothing ends the execution with `States.Runtime`, which no `Catch` catches (MiniStack
  goes on with null, so a mistyped path would pass here and fail on AWS);
- a Choice may compare a timestamp with another one in its data (`TimestampGreaterThanPath` …).

Registration points: `stepfunctions._resolve_path`, `_evaluate_rule`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]


class PathSelectsNothing(Exception):
    """A reference path names a field that is not there."""


def strict_paths(resolve: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """Wraps `_resolve_path`."""

    def resolve_path(path: str, data: Any) -> Any:
        if selects_nothing(path, data):
            raise PathSelectsNothing(f"the path {path} selects nothing in {json.dumps(data, default=str)}")
        return resolve(path, data)

    return resolve_path


def choice_rules(evaluate: Callable[..., bool]) -> Callable[..., bool]:
    """Wraps `_evaluate_rule`: adds `Timestamp…Path`; `IsPresent` may ask for a field that is missing."""

    def evaluate_rule(rule: Json, data: Any, ctx: Json | None = None) -> bool:
        from ministack.services.stepfunctions import _resolve_path_or_ctx

        if "IsPresent" in rule:
            return bool(selects_nothing(rule["Variable"], data) is not rule["IsPresent"])
        for operator in [key for key in rule if key.startswith("Timestamp") and key.endswith("Path")]:
            value = _resolve_path_or_ctx(rule[operator], data, ctx)
            rule = {"Variable": rule["Variable"], operator.removesuffix("Path"): value}
        return evaluate(rule, data, ctx)

    return evaluate_rule


def selects_nothing(path: str, data: Any) -> bool:
    """Whether a plain path of field names leads nowhere; of other paths it says no."""
    from ministack.services.stepfunctions import _parse_jsonpath_tokens

    if not path.startswith("$") or path == "$":
        return False
    for kind, key in _parse_jsonpath_tokens(path) or []:
        if kind != "field":
            return False
        if not isinstance(data, dict) or key not in data:
            return True
        data = data[key]
    return False


def install() -> None:
    from ministack.services import stepfunctions

    stepfunctions._resolve_path = strict_paths(stepfunctions._resolve_path)
    stepfunctions._evaluate_rule = choice_rules(stepfunctions._evaluate_rule)
