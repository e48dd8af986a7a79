"""The records of CSV text: counted a block at a time where they are regular, parsed one by one where not.

A block is regular when every record has the header's number of fields and quotes stand around whole fields
only. Python's parser, strict, reads any other block and says what is wrong with it: it is right and slow, and
most tables never need it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from glue_jobs.errors import NotACsv

LONGEST_LINE = 10 << 20
QUOTE, RETURN = '"', "\r"
BEFORE_A_QUOTE = {",", "\n", ""}  # nothing stands between the two quotes that stand for one
AFTER_A_QUOTE = {",", "\n", "\r", ""}
NOT_STRUCTURE = bytes(code for code in range(256) if code not in b",\n")


@dataclass(frozen=True)
class Block:
    """Whole lines of a file. `line` is the number of the first, from 1."""

    line: int
    text: str


def regular_records(text: str, fields: int) -> int | None:
    """How many records the lines hold if all are regular, else None."""
    pieces = text.split(QUOTE)
    outside = pieces[::2]
    if fields < 2 or len(pieces) % 2 == 0 or _has_lone_return(text):
        return None
    if not {piece[-1:] for piece in outside[:-1]} <= BEFORE_A_QUOTE:
        return None
    if not {piece[:1] for piece in outside[1:]} <= AFTER_A_QUOTE:
        return None
    structure = "".join(outside).encode().translate(None, NOT_STRUCTURE)
    records = structure.count(b"\n")
    return records if structure == (b"," * (fields - 1) + b"\n") * records else None


def _has_lone_return(text: str) -> bool:
    return RETURN in text and text.count(RETURN) != text.count("\r\n")


def last_line_end(text: str) -> int:
    """Where the last whole line ends, sooner when that is inside of quotes; 0 without a whole line."""
    end = text.rfind("\n") + 1
    if text.count(QUOTE, 0, end) % 2 == 0:
        return end
    before = text.rfind("\n", 0, text.rfind(QUOTE, 0, end)) + 1
    return before if before and text.count(QUOTE, 0, before) % 2 == 0 else end


class Records(Iterator[list[str]]):
    """The records of a block; the last one may go on into the blocks that follow and then brings their rest.

    `spans_lines` tells whether one so far had several lines, or a carriage return without a line feed.

    Raises:
        NotACsv: not well-formed, with the line on which the record begins.
    """

    def __init__(self, uri: str, block: Block, following: Iterator[Block]) -> None:
        csv.field_size_limit(LONGEST_LINE)
        self._uri, self._line, self._following = uri, block.line, following
        self._ahead = _lines(block)
        self.spans_lines = False
        self._reader = csv.reader(iter(self._next_line, None), strict=True)

    def __next__(self) -> list[str]:
        if not self._ahead:
            raise StopIteration
        start = self._line
        try:
            record = next(self._reader)
        except csv.Error as error:
            raise NotACsv(
                f"{self._uri} is not well-formed CSV in the record that begins on line {start}: {error}"
            ) from error
        self.spans_lines |= self._line != start + 1
        return record

    def rest(self) -> Block:
        """What no record was made of yet."""
        return Block(self._line, "".join(reversed(self._ahead)))

    def _next_line(self) -> str | None:
        if not self._ahead:
            block = next(self._following, None)
            if block is None:
                return None
            self._ahead = _lines(block)
        self._line += 1
        line = self._ahead.pop()
        self.spans_lines |= RETURN in line and RETURN in line.removesuffix("\r\n")
        return line


def _lines(block: Block) -> list[str]:
    """The last line first."""
    return list(io.StringIO(block.text, newline="\n"))[::-1]
