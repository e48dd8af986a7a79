from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator

import pytest

from glue_jobs.errors import NotACsv
from glue_jobs.records import Block, Records, last_line_end, regular_records

ALPHABET = ["a", "ä", "1", ",", ",", ",", '"', '""', '",', ',"', "\n", "\r\n", "\r", " "]


def parsed(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="\n"), strict=True))


def generated(seed: int) -> str:
    """Three-field lines, some of them broken in ways that parsers disagree about."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    fields = ["a", "", "1.5", '"x, y"', '"say ""so"""', '"two\nlines"', '""', "ö"]
    lines = [",".join(chance.choices(fields, k=3)) + chance.choice(["\n", "\n", "\r\n"]) for _ in range(6)]
    for _ in range(chance.choice([0, 0, 1, 2])):
        line = chance.randrange(6)
        at = chance.randrange(len(lines[line]))
        lines[line] = lines[line][:at] + chance.choice(ALPHABET) + lines[line][at:]
    return "".join(lines)


@pytest.mark.parametrize("seeds", [range(start, start + 1000) for start in range(0, 5000, 1000)])
def test_what_is_called_regular_python_parses_into_as_many_records_of_as_many_fields(seeds: range) -> None:
    regular = 0
    for text in map(generated, seeds):
        found = regular_records(text, 3)
        if found is not None:
            regular += 1
            assert [len(record) for record in parsed(text)] == [3] * found, text
    assert regular > len(seeds) / 4


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2,3\n",
        "a,b,c\n\n",
        "a,b,c",
        'a,"b,c\n',
        'a,"b"x,c\n',
        'a,x"b",c\n',
        'a, "b",c\n',
        "a,b\rc,d\n",
        'a,"b" ,c\n',
    ],
    ids=["long", "blank", "no line feed", "open", "after", "before", "blank before", "return", "blank after"],
)
def test_all_else_is_left_to_the_parser(text: str) -> None:
    assert regular_records(text, 3) is None


def test_quotes_line_feeds_and_commas_inside_of_quotes_are_regular() -> None:
    assert regular_records('"a,\n""b""",c,d\r\n"",,""\n', 3) == 2


def test_a_table_of_one_column_is_left_to_the_parser() -> None:
    assert regular_records("a\nb\n", 1) is None


def blocks(*texts: str) -> Iterator[Block]:
    line = 1
    for text in texts:
        yield Block(line, text)
        line += text.count("\n")


def test_a_record_that_goes_on_brings_the_whole_next_block() -> None:
    following = blocks('a,"b\n', 'c"\nd,e\n', "f,g\n")
    records = Records("s3://b/k", next(following), following)
    assert list(records) == [["a", "b\nc"], ["d", "e"]]
    assert next(following) == Block(4, "f,g\n")


def test_what_was_not_read_of_a_block_can_be_taken_back() -> None:
    following = blocks("a,b\nc,d\ne,f\n")
    records = Records("s3://b/k", next(following), following)
    assert next(records) == ["a", "b"]
    assert records.rest() == Block(2, "c,d\ne,f\n")


def test_an_error_names_the_line_on_which_the_record_begins() -> None:
    following = iter([Block(41, 'a,b\nc,"d\ne"f\n')])
    records = Records("s3://b/k", next(following), following)
    with pytest.raises(NotACsv, match="begins on line 42"):
        list(records)


def test_quotes_that_are_never_closed_are_an_error_not_an_end() -> None:
    following = blocks('a,"b\n', "c,d\n")
    records = Records("s3://b/k", next(following), following)
    with pytest.raises(NotACsv, match="begins on line 1: unexpected end of data"):
        list(records)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("a\nb\nc", "a\nb\n"),
        ("abc", ""),
        ('a\n"b\nc', "a\n"),
        ('a\n"b"\nc', 'a\n"b"\n'),
        ('"b\nc', '"b\n'),
        ('5" pipe\n6\n7', '5" pipe\n6\n'),
    ],
    ids=["cut line", "no line", "open quote", "closed quote", "only an open quote", "odd quote"],
)
def test_blocks_end_between_records_where_quotes_let_them(text: str, whole: str) -> None:
    assert text[: last_line_end(text)] == whole
