"""Batch transform's own part of the work: an object cut into payloads, rows filtered and joined.

Everything here is a function of bytes and text. The worker process (`transform_worker`) puts S3 before it and
the container behind it; `transform` asks it whether a request's filters can be read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

MEGABYTE = 1024 * 1024

Fields = list[str]
Invoke = Callable[[bytes], bytes]

_INDEXES = re.compile(r"\$\[\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*\]")
_SLICE = re.compile(r"\$\[\s*(-?\d*)\s*:\s*(-?\d*)\s*\]")


class BadFilter(ValueError):
    """A JSONPath that SageMaker does not apply to CSV rows."""


class BadRecords(Exception):
    """Data that the transform cannot cut, filter or join. The message is for the job's FailureReason."""


@dataclass(frozen=True)
class Filter:
    """A JSONPath over a CSV row, which is an array: `$`, `$[0]`, `$[0,-1]`, `$[1:]`, `$[:-1]`.

    The end of a slice is not part of it, as in JSONPath. The developer guide says that it is; the examples
    that people run (`$[:-1]` drops the last column) say otherwise.
    """

    text: str
    select: Callable[[Fields], Fields]
    # What `select` does to lines without quotes, sooner; may raise IndexError for a row that lacks a field.
    cut: Callable[[Sequence[str]], list[str]] | None = None
    # The same of lines with their predictions behind them, which then need not be put together first.
    cut_joined: Callable[[Sequence[str], Sequence[str]], list[str]] | None = None

    @property
    def everything(self) -> bool:
        return self.text in ("$", "$[*]")

    def __call__(self, fields: Fields) -> Fields:
        """The selected fields. Raises `BadRecords` for a row that does not have them."""
        try:
            selected = self.select(fields)
        except IndexError:
            selected = []
        if not selected:
            raise BadRecords(
                f"The filter {self.text} selects what a row of {len(fields)} columns does not have"
            )
        return selected

    def of_lines(self, lines: Sequence[str]) -> list[str]:
        """The selected fields of lines without quotes. Raises as calling it does."""
        try:
            if self.cut:
                return self.cut(lines)
        except IndexError:
            pass  # the row is named below
        return [",".join(self(line.split(","))) for line in lines]


def parse_filter(text: str) -> Filter:
    """Raises `BadFilter`."""
    if text in ("", "$", "$[*]"):
        return Filter(text or "$", lambda fields: fields, list)
    if match := _INDEXES.fullmatch(text):
        indexes = [int(index) for index in match[1].split(",")]
        cuts = (_first_and_last, _first_and_last_joined) if indexes == [0, -1] else ()
        return Filter(text, lambda fields: [fields[index] for index in indexes], *cuts)
    if match := _SLICE.fullmatch(text):
        start, end = (int(bound) if bound else None for bound in match.groups())
        return Filter(text, lambda fields: fields[start:end], _cut_before(start) if end is None else None)
    raise BadFilter(f"{text!r} cannot be applied to CSV: use $, $[<index>, …] or $[<start>:<end>]")


def _first_and_last(lines: Sequence[str]) -> list[str]:
    return [f"{line.partition(',')[0]},{line.rpartition(',')[2]}" for line in lines]


def _first_and_last_joined(lines: Sequence[str], predictions: Sequence[str]) -> list[str]:
    rows = zip(lines, predictions, strict=True)
    return [f"{line.partition(',')[0]},{prediction.rpartition(',')[2]}" for line, prediction in rows]


def _cut_before(start: int | None) -> Callable[[Sequence[str]], list[str]] | None:
    if start is None or start < 1:
        return None
    return lambda lines: [line.split(",", start)[start] for line in lines]


def payloads(chunks: Iterable[bytes], most: int, *, single: bool) -> Iterator[bytes]:
    """Lines, as many together as fit into `most` bytes, or one by one.

    Raises `BadRecords` for a line that does not fit. Holds one payload and one chunk at a time.
    """
    pending = b""
    for chunk in chunks:
        pending += chunk
        while len(pending) > most:
            cut = pending.rfind(b"\n", 0, most) + 1
            if not cut:
                raise BadRecords(f"A record is larger than MaxPayloadInMB={most // MEGABYTE}")
            yield from _lines(pending[:cut], single)
            pending = pending[cut:]
    yield from _lines(pending, single)


def whole(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The object as one payload, none when it is empty. Raises `BadRecords` for more than `most` bytes."""
    payload = b""
    for chunk in chunks:
        payload += chunk
        if len(payload) > most:
            raise BadRecords(f"The object is larger than MaxPayloadInMB={most // MEGABYTE} and is not split")
    if payload:
        yield payload


def _lines(block: bytes, single: bool) -> Iterator[bytes]:
    if single:
        yield from io.BytesIO(block)
    elif block:
        yield block


@dataclass(frozen=True)
class DataProcessing:
    """What goes to the model of each row, and what of the row and its prediction goes to the output."""

    input_filter: Filter
    output_filter: Filter
    join: bool

    @property
    def leaves_alone(self) -> bool:
        return self.input_filter.everything and self.output_filter.everything and not self.join

    def apply(self, payload: bytes, invoke: Invoke) -> bytes:
        """The output lines of a payload; `invoke` answers one line for each that it is given."""
        text = payload.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
        lines = [line for line in text.split("\n") if line]
        if not lines:
            return b""
        quoted = '"' in text
        given = "\n".join(self._given(lines, quoted)) + "\n"
        answer = invoke(given.encode("utf-8", "surrogateescape")).decode("utf-8")
        predictions = answer.rstrip("\n").split("\n")
        if len(predictions) != len(lines):
            raise BadRecords("Fail to join data: mismatched line count between the input and the output")
        kept = "\n".join(self._kept(lines, predictions, quoted)) + "\n"
        return kept.encode("utf-8", "surrogateescape")

    def _given(self, lines: Sequence[str], quoted: bool) -> list[str]:
        if not quoted:
            return self.input_filter.of_lines(lines)
        return [_write(self.input_filter(_read(line))) for line in lines]

    def _kept(self, lines: Sequence[str], predictions: Sequence[str], quoted: bool) -> list[str]:
        if not quoted and self.join and self.output_filter.cut_joined:
            return self.output_filter.cut_joined(lines, predictions)
        rows = zip(lines, predictions, strict=True)
        if not quoted:
            joined = [f"{line},{prediction}" for line, prediction in rows] if self.join else predictions
            return self.output_filter.of_lines(joined)
        joined_fields = (_read(line) * self.join + _read(prediction) for line, prediction in rows)
        return [_write(self.output_filter(fields)) for fields in joined_fields]


def parse_processing(written: Mapping[str, str]) -> DataProcessing:
    """The request's DataProcessing. Raises `BadFilter`."""
    return DataProcessing(
        input_filter=parse_filter(written.get("InputFilter", "$")),
        output_filter=parse_filter(written.get("OutputFilter", "$")),
        join=written.get("JoinSource", "None") == "Input",
    )


def _read(line: str) -> Fields:
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        raise BadRecords(f"Failed to parse a line as CSV: {error}") from error


def _write(fields: Fields) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
