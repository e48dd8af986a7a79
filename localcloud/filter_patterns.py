"""CloudWatch Logs filter patterns: which log lines a metric filter or FilterLogEvents means.

Terms (`ERROR "Task timed out"` all of them, `?A ?B` one of them, `-A` not it) and JSON patterns
(`{ $.level = "ERROR" && $.error = * }`). Patterns of space-delimited fields (`[a, b]`) are refused.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

Matcher = Callable[[str], bool]
Condition = Callable[[Any], bool]

_TERM = re.compile(r'([?-]?)(?:"([^"]*)"|(\S+))')
_TOKEN = re.compile(
    r'\s*(?:(&&|\|\||[()])|(\$[^\s=!<>()&|]*)|(!=|>=|<=|=|>|<)|"((?:[^"\\]|\\.)*)"|([^\s()&|=!<>]+))'
)
_NUMERIC = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


class InvalidPattern(ValueError):
    """CloudWatch Logs would not take the pattern."""


def compile_pattern(pattern: str) -> Matcher:
    """Raises `InvalidPattern`."""
    text = pattern.strip()
    if text.startswith("["):
        raise InvalidPattern(f"The local cloud has no space-delimited patterns: {pattern}")
    return _json_matcher(text) if text.startswith("{") else _term_matcher(text)


def select(path: str, document: Any) -> Any:
    """What `$.a.b[0]` names in a document; None where there is nothing."""
    for name, index in _STEP.findall(path.removeprefix("$")):
        key = int(index) if index else name
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def _term_matcher(text: str) -> Matcher:
    terms = [(sign, quoted or bare) for sign, quoted, bare in _TERM.findall(text)]
    wanted = [term for sign, term in terms if not sign]
    either = [term for sign, term in terms if sign == "?"]
    unwanted = [term for sign, term in terms if sign == "-"]

    def matches(line: str) -> bool:
        return (
            all(term in line for term in wanted)
            and (not either or any(term in line for term in either))
            and not any(term in line for term in unwanted)
        )

    return matches


def _json_matcher(text: str) -> Matcher:
    condition = _Parser(text).condition()

    def matches(line: str) -> bool:
        if not line.lstrip().startswith("{"):
            return False
        try:
            return condition(json.loads(line))
        except json.JSONDecodeError:
            return False

    return matches


class _Parser:
    """`{ condition }`; `&&` binds closer than `||`."""

    def __init__(self, text: str) -> None:
        if not text.endswith("}"):
            raise InvalidPattern(f"The pattern {text} has no closing brace")
        self._text, inner = text, text[1:-1].strip()
        self._tokens: list[tuple[str, str]] = []
        while inner:
            found = _TOKEN.match(inner)
            if not found:
                raise InvalidPattern(f"The pattern {text} cannot be read from {inner!r} on")
            kinds = ("symbol", "path", "operator", "string", "word")
            self._tokens.append((kinds[(found.lastindex or 1) - 1], found[found.lastindex or 1]))
            inner = inner[found.end() :].strip()

    def condition(self) -> Condition:
        found = self._any_of()
        if self._tokens:
            raise InvalidPattern(f"The pattern {self._text} goes on with {self._tokens[0][1]!r}")
        return found

    def _any_of(self) -> Condition:
        parts = [self._all_of()]
        while self._take("||"):
            parts.append(self._all_of())
        return lambda document: any(part(document) for part in parts)

    def _all_of(self) -> Condition:
        parts = [self._one()]
        while self._take("&&"):
            parts.append(self._one())
        return lambda document: all(part(document) for part in parts)

    def _one(self) -> Condition:
        if self._take("("):
            inside = self._any_of()
            if not self._take(")"):
                raise InvalidPattern(f"The pattern {self._text} has no closing parenthesis")
            return inside
        kind, path = self._next()
        if kind != "path":
            raise InvalidPattern(f"The pattern {self._text} has {path!r} where a selector $.… belongs")
        return self._comparison(path)

    def _comparison(self, path: str) -> Condition:
        kind, sign = self._next()
        if kind == "word" and sign in ("IS", "NOT", "EXISTS"):
            return self._state(path, sign)
        value_kind, value = self._next()
        if kind != "operator" or value_kind not in ("string", "word"):
            raise InvalidPattern(f"The pattern {self._text} compares {path} with nothing")
        return _compare(path, sign, value)

    def _state(self, path: str, word: str) -> Condition:
        meant = word if word == "EXISTS" else f"{word} {self._next()[1]}"
        states: dict[str, Condition] = {
            "EXISTS": lambda value: value is not None,
            "NOT EXISTS": lambda value: value is None,
            "IS NULL": lambda value: value is None,
            "IS TRUE": lambda value: value is True,
            "IS FALSE": lambda value: value is False,
        }
        if meant not in states:
            raise InvalidPattern(f"The pattern {self._text} asks whether {path} {meant}")
        return lambda document: states[meant](select(path, document))

    def _take(self, symbol: str) -> bool:
        if self._tokens and self._tokens[0] == ("symbol", symbol):
            self._tokens.pop(0)
            return True
        return False

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise InvalidPattern(f"The pattern {self._text} ends too early")
        return self._tokens.pop(0)


def _compare(path: str, sign: str, wanted: str) -> Condition:
    """Equality takes `*` for anything; order compares numbers. What is not there equals nothing."""
    if sign in _NUMERIC:
        bound = float(wanted)
        return lambda document: _ordered(_NUMERIC[sign], select(path, document), bound)

    def equal(document: Any) -> bool:
        value = select(path, document)
        return value is not None and fnmatchcase(_text(value), wanted)

    return equal if sign == "=" else lambda document: not equal(document)


def _ordered(compare: Callable[[Any, Any], bool], value: Any, bound: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and compare(value, bound)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
