"""Filter patterns select the lines that CloudWatch Logs would select."""

from __future__ import annotations

import json

import pytest

from localcloud.filter_patterns import InvalidPattern, compile_pattern

LINE = {
    "level": "ERROR",
    "error": "InvalidInput",
    "rows": 7,
    "run": {"ids": ["a", "b"]},
    "done": True,
    "no": None,
}


def matches(pattern: str, line: object = LINE) -> bool:
    return compile_pattern(pattern)(line if isinstance(line, str) else json.dumps(line))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ $.level = "ERROR" }', True),
        ("{ $.level = ERROR }", True),
        ('{ $.level = "ERR*" }', True),
        ('{ $.level = "error" }', False),
        ('{ $.level != "ERROR" }', False),
        ('{ $.missing != "ERROR" }', True),
        ("{ $.error = * }", True),
        ("{ $.missing = * }", False),
        ('{ $.level = "ERROR" && $.error = * }', True),
        ('{ $.level = "INFO" && $.error = * }', False),
        ('{ $.level = "INFO" || $.error = * }', True),
        ('{ ($.level = "INFO" || $.rows = 7) && $.done IS TRUE }', True),
        ("{ $.rows > 6 }", True),
        ("{ $.rows <= 6 }", False),
        ("{ $.level > 6 }", False),
        ('{ $.run.ids[1] = "b" }', True),
        ("{ $.missing NOT EXISTS }", True),
        ("{ $.no IS NULL }", True),
        ("{ $.done IS FALSE }", False),
    ],
)
def test_json_patterns(pattern: str, expected: bool) -> None:
    assert matches(pattern) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", True),
        ("ERROR", True),
        ("error", False),
        ("ERROR timed", True),
        ("ERROR absent", False),
        ('"Task timed out"', True),
        ("?absent ?timed", True),
        ("?absent ?gone", False),
        ("ERROR -timed", False),
    ],
)
def test_term_patterns(pattern: str, expected: bool) -> None:
    assert matches(pattern, "ERROR Task timed out after 3 s") is expected


def test_a_json_pattern_matches_no_line_that_is_not_json() -> None:
    assert not matches("{ $.level = * }", "plain words")
    assert not matches("{ $.level = * }", "{broken")


@pytest.mark.parametrize(
    "pattern",
    ["[a, b]", "{ $.a = 1", "{ $.a }", "{ a = 1 }", "{ $.a = 1 $.b = 2 }", "{ ($.a = 1 }", "{ $.a IS ODD }"],
)
def test_what_cannot_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        compile_pattern(pattern)
