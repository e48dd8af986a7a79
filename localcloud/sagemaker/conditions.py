"""What a Condition step compares. All its conditions must hold."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.sagemaker.expressions import ExpressionError, Scope, resolve

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}

# Each type of condition and the members it must have.
MEMBERS: dict[str, frozenset[str]] = {
    **{name: frozenset({"LeftValue", "RightValue"}) for name in _COMPARISONS},
    "In": frozenset({"QueryValue", "Values"}),
    "Not": frozenset({"Expression"}),
    "Or": frozenset({"Conditions"}),
}


def holds(condition: Mapping[str, Any], scope: Scope) -> bool:
    """Raises `ExpressionError` when a side has no value, or the two cannot be compared."""
    kind = condition["Type"]
    if kind == "Not":
        return not holds(condition["Expression"], scope)
    if kind == "Or":
        return any(holds(item, scope) for item in condition["Conditions"])
    if kind == "In":
        return resolve(condition["QueryValue"], scope) in resolve(condition["Values"], scope)
    left, right = resolve(condition["LeftValue"], scope), resolve(condition["RightValue"], scope)
    if _type(left) is not _type(right):
        raise ExpressionError(f"{kind} cannot compare {left!r} with {right!r}")
    return _COMPARISONS[kind](left, right)


def problems(condition: Any) -> list[str]:
    """What is wrong with a condition as written, before anything runs."""
    kind = condition.get("Type") if isinstance(condition, dict) else None
    if kind not in MEMBERS:
        return [f"unknown condition type {kind!r}"]
    missing = sorted(MEMBERS[kind] - condition.keys())
    if missing:
        return [f"condition {kind} lacks {', '.join(missing)}"]
    inner = {"Not": [condition.get("Expression")], "Or": condition.get("Conditions", [])}.get(kind, [])
    return [problem for item in inner for problem in problems(item)]


def _type(value: Any) -> type:
    """Numbers compare with numbers, whatever their kind; a boolean is no number."""
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)
