"""Expressions of a pipeline definition: `Get`, `Std:Join`, `Std:JsonGet`.

    {"Get": "Parameters.Name"}              a parameter's value, typed
    {"Get": "Execution.PipelineExecutionId"}
    {"Get": "Steps.Name.Path['key'][0]"}    a member of the Describe answer of the step's job
    {"Std:Join": {"On": "/", "Values": […]}}
    {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.S.PropertyFiles.P"}, "Path": "a.b[0]"}}

`references` says what a document mentions, before anything runs; `resolve` gives it its values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

KEYWORDS = frozenset({"Get", "Std:Join", "Std:JsonGet"})

_TOKEN = re.compile(r"\.?([\w:-]+)|\[(\d+)\]|\[(?:'([^']*)'|\"([^\"]*)\")\]")

Path = tuple[str | int, ...]


class ExpressionError(Exception):
    """An expression that cannot be read, or that has no value; the message names it."""


class Scope(Protocol):
    """Where values come from while an execution runs (`executor.Execution`)."""

    def parameter(self, name: str) -> Any: ...
    def variable(self, name: str) -> Any: ...
    def properties(self, step: str) -> Any: ...
    def property_file(self, step: str, name: str) -> Any: ...
    def json_object(self, uri: str) -> Any: ...


@dataclass(frozen=True)
class Reference:
    """One `Get`, taken apart: `Steps.Train.ModelArtifacts.S3ModelArtifacts` has namespace `Steps`,
    name `Train` and path `("ModelArtifacts", "S3ModelArtifacts")`."""

    text: str
    namespace: str
    name: str
    path: Path


def is_expression(value: Any) -> bool:
    """Whether a JSON value stands for another one."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in KEYWORDS


def parse_reference(text: Any) -> Reference:
    """Raises `ExpressionError` for what is no reference."""
    if not isinstance(text, str):
        raise ExpressionError(f"Get needs a string, not {text!r}")
    namespace, _, rest = text.partition(".")
    tokens = parse_path(rest) if rest else ()
    if namespace not in ("Parameters", "Execution", "Steps") or not tokens or isinstance(tokens[0], int):
        raise ExpressionError(f"Get {text!r} is not Parameters.…, Execution.… or Steps.…")
    return Reference(text, namespace, tokens[0], tokens[1:])


def parse_path(text: str) -> Path:
    """`a.b['c'][0]` as `("a", "b", "c", 0)`; raises `ExpressionError`."""
    tokens: list[str | int] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise ExpressionError(f"{text!r} is no path: unexpected {text[position:]!r}")
        word, index, single, double = match.groups()
        tokens.append(
            int(index) if index is not None else next(t for t in (word, single, double) if t is not None)
        )
        position = match.end()
    return tuple(tokens)


def references(value: Any) -> Iterator[Reference]:
    """Every `Get` anywhere in a document. Raises `ExpressionError` on one that cannot be read."""
    if isinstance(value, dict):
        if is_expression(value) and "Get" in value:
            yield parse_reference(value["Get"])
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def resolve(value: Any, scope: Scope) -> Any:
    """The document with each expression replaced by its value; raises `ExpressionError`."""
    if is_expression(value):
        [(keyword, operand)] = value.items()
        return {"Get": _get, "Std:Join": _join, "Std:JsonGet": _json_get}[keyword](operand, scope)
    if isinstance(value, dict):
        return {key: resolve(item, scope) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, scope) for item in value]
    return value


def walk(document: Any, path: Path, text: str) -> Any:
    """Follows a path; in a list, a name finds the element that bears it (`Outputs['train']`)."""
    for token in path:
        document = _member(document, token, text)
    return document


def _member(document: Any, token: str | int, text: str) -> Any:
    if isinstance(document, Mapping) and token in document:
        return document[token]
    if isinstance(document, list) and isinstance(token, int) and token < len(document):
        return document[token]
    if isinstance(document, list) and isinstance(token, str):
        named = [item for item in document if isinstance(item, Mapping) and token in _names(item)]
        if named:
            return named[0]
    raise ExpressionError(f"{text!r} has no value: nothing at {token!r}")


def _names(item: Mapping[str, Any]) -> list[Any]:
    """What AWS's lists of named things are looked up by: InputName, OutputName, ChannelName."""
    return [value for key, value in item.items() if key.endswith("Name")]


def _get(operand: Any, scope: Scope) -> Any:
    reference = parse_reference(operand)
    if reference.namespace == "Parameters":
        return scope.parameter(reference.name)
    if reference.namespace == "Execution":
        return scope.variable(reference.name)
    return walk(scope.properties(reference.name), reference.path, reference.text)


def _join(operand: Any, scope: Scope) -> str:
    if not isinstance(operand, dict) or not isinstance(operand.get("Values"), list):
        raise ExpressionError(f"Std:Join needs On and Values, not {operand!r}")
    return str(operand.get("On", "")).join(_as_text(resolve(item, scope)) for item in operand["Values"])


def _json_get(operand: Any, scope: Scope) -> Any:
    """The value at `Path` of a property file, or of any JSON object in S3."""
    if not isinstance(operand, dict) or "Path" not in operand:
        raise ExpressionError(f"Std:JsonGet needs PropertyFile or S3Uri, and Path, not {operand!r}")
    path = str(resolve(operand["Path"], scope))
    if "S3Uri" in operand:
        document = scope.json_object(resolve(operand["S3Uri"], scope))
    else:
        document = scope.property_file(*property_file_of(operand))
    return walk(document, parse_path(path), path)


def property_file_of(operand: Mapping[str, Any]) -> tuple[str, str]:
    """(step, property file) of a `Std:JsonGet`; raises `ExpressionError`."""
    named = operand.get("PropertyFile")
    reference = parse_reference(named.get("Get") if isinstance(named, dict) else None)
    if reference.namespace != "Steps" or len(reference.path) != 2 or reference.path[0] != "PropertyFiles":
        raise ExpressionError(f"{reference.text!r} is not Steps.<step>.PropertyFiles.<file>")
    return reference.name, str(reference.path[1])


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        raise ExpressionError(f"Std:Join joins plain values, not {value!r}")
    return str(value)
