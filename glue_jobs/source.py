"""What the job reads: finds the objects, then reads every byte once to know what they are.

This pass streams. It needs a mebibyte at a time and gives the source's hash, the number of rows, which of
them have too few or too many fields, and, when the file is not a CSV in UTF-8, the place where it stops
being one. An engine parses the same bytes afterwards, faster but without saying where; the two must agree
on the number of rows.
"""

from __future__ import annotations

import codecs
import difflib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from botocore.exceptions import ClientError

from glue_jobs.errors import (
    DuplicateColumn,
    EmptySource,
    MissingColumn,
    MissingHeader,
    NotACsv,
    NotUtf8,
    SourceNotFound,
)
from glue_jobs.records import LONGEST_LINE, QUOTE, Block, Records, last_line_end, regular_records

CHUNK_BYTES = 1 << 20
SNIFFED_BYTES = 1 << 16
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MAGIC_NUMBERS = {
    b"\x1f\x8b": "a gzip archive",
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"PAR1": "a Parquet file",
    b"Obj\x01": "an Avro file",
    b"%PDF": "a PDF",
}
# Everything below a blank that text does not hold; tab, line feed and their like are left out.
CONTROL_BYTES = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1a\x1b")
LONGEST_LISTING = 20


class Digest(Protocol):
    """What `hashlib.sha256()` gives."""

    def update(self, data: bytes, /) -> None: ...


@dataclass(frozen=True)
class SourceFile:
    """One object, as S3 listed it before the job read it."""

    bucket: str
    key: str
    size: int
    etag: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class CheckedFile:
    """A CSV known to be one. Row indexes count the records after the header, from 0, blank ones too.

    `header` has a name for every field and none twice: columns that the contract does not know may be
    unnamed or share a name in the file. `spans_lines`: lines cannot be parsed one by one, because a record
    has several or a field holds a carriage return.
    """

    uri: str
    header: tuple[str, ...]
    records_before_data: int
    rows: int
    ragged: Sequence[int]
    blank: Sequence[int]
    spans_lines: bool = False


def find_files(s3: Any, uri: str) -> list[SourceFile]:
    """The object at `uri`, or every object below it when it is a folder, in order of key.

    Below a folder, names beginning with `_` or `.` are other programs' marks and are left alone.

    Raises:
        SourceNotFound: not an S3 URI, nothing there, or not readable with this job's role.
        EmptySource: a folder with nothing in it.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise SourceNotFound(f"{uri!r} is not an S3 URI: write s3://bucket/key or s3://bucket/folder/")
    try:
        return _single_object(s3, bucket, key) or _objects_below(s3, bucket, key, uri)
    except ClientError as error:
        raise _not_found(uri, error) from error


def read_chunks(s3: Any, file: SourceFile) -> Iterator[bytes]:
    """The object's bytes, a mebibyte at a time.

    Raises:
        SourceNotFound: gone since it was listed, or not readable with this job's role.
    """
    try:
        body = s3.get_object(Bucket=file.bucket, Key=file.key)["Body"]
    except ClientError as error:
        raise _not_found(file.uri, error) from error
    yield from body.iter_chunks(CHUNK_BYTES)


def _single_object(s3: Any, bucket: str, key: str) -> list[SourceFile]:
    """Listed, not asked for by HEAD: a role that may list only some prefixes gets 403 for a missing key."""
    if not key or key.endswith("/"):
        return []
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
    return [_source_file(bucket, item) for item in listed if item["Key"] == key]


def _objects_below(s3: Any, bucket: str, key: str, uri: str) -> list[SourceFile]:
    prefix = key if not key or key.endswith("/") else f"{key}/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    listed = [item for page in pages for item in page.get("Contents", [])]
    files = [
        _source_file(bucket, item)
        for item in listed
        if not item["Key"].rpartition("/")[2].startswith(("_", ".")) and not item["Key"].endswith("/")
    ]
    if files:
        return sorted(files, key=lambda file: file.key)
    if listed or uri.endswith("/"):
        raise EmptySource(f"{uri} holds no files: put the table's CSV there and start the run again")
    raise SourceNotFound(f"there is nothing at {uri}: check the key, or put the table's CSV there")


def _source_file(bucket: str, item: Mapping[str, Any]) -> SourceFile:
    return SourceFile(bucket, item["Key"], item["Size"], item["ETag"])


def _not_found(uri: str, error: ClientError) -> SourceNotFound:
    code = error.response["Error"]["Code"]
    if code in {"403", "AccessDenied"}:
        return SourceNotFound(
            f"{uri} cannot be read (access denied): it does not exist, or the job's role may not read it"
        )
    return SourceNotFound(f"{uri} cannot be read ({code}): check the bucket and the key")


def check_file(
    uri: str, chunks: Iterable[bytes], required: Sequence[str], digest: Digest
) -> CheckedFile | None:
    """Read one file to its end; None when it has no line that is not blank.

    Args:
        chunks: the file's bytes, in pieces of any size.
        required: columns the header must name exactly once; blanks around a name do not count.
        digest: is fed every byte.

    Raises:
        NotUtf8, NotACsv, MissingHeader, MissingColumn, DuplicateColumn: what they say, with the line.
    """
    blocks = _decoded_blocks(uri, chunks, digest)
    first = _first_record(uri, blocks)
    if first is None:
        return None
    names = tuple(name.strip() for name in first.fields)
    _check_header(uri, names, required)
    ragged, blank, count, spans_lines = array("q"), array("q"), 0, first.spans_lines
    for block in chain([first.rest], blocks):
        regular = regular_records(block.text, len(names))
        if regular is not None:
            count += regular
            spans_lines |= block.text.count("\n") != regular
            continue
        records = Records(uri, block, blocks)
        for record in records:
            if len(record) != len(names):
                (blank if _is_blank(record) else ragged).append(count)
            count += 1
        spans_lines |= records.spans_lines
    return CheckedFile(uri, _unique(names), first.number, count - len(blank), ragged, blank, spans_lines)


def first_line_with_odd_quotes(uri: str, chunks: Iterable[bytes]) -> int | None:
    """The line, from 1, where quotes stop pairing up: what a person should look at first."""
    for block in _decoded_blocks(uri, chunks, _NoDigest()):
        for number, line in enumerate(block.text.split("\n"), start=block.line):
            if line.count(QUOTE) % 2:
                return number
    return None


class _NoDigest:
    def update(self, data: bytes, /) -> None:
        """For a reader that needs no hash."""


@dataclass(frozen=True)
class _FirstRecord:
    """The first record that is not blank, its number from 1, and what follows it in its block."""

    number: int
    fields: Sequence[str]
    rest: Block
    spans_lines: bool


def _first_record(uri: str, blocks: Iterator[Block]) -> _FirstRecord | None:
    number, spans_lines = 0, False
    for block in blocks:
        records = Records(uri, block, blocks)
        for record in records:
            number += 1
            if not _is_blank(record):
                return _FirstRecord(number, record, records.rest(), spans_lines or records.spans_lines)
        spans_lines |= records.spans_lines
    return None


def _is_blank(record: Sequence[str]) -> bool:
    return not record or (len(record) == 1 and not record[0].strip())


def _decoded_blocks(uri: str, chunks: Iterable[bytes], digest: Digest) -> Iterator[Block]:
    """UTF-8 text without the byte order mark: whole lines, about a chunk of them at a time."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    pending, offset, line = "", 0, 1
    for chunk in chunks:
        digest.update(chunk)
        data = chunk
        if offset == 0:
            _sniff(uri, chunk[:SNIFFED_BYTES])
            data = chunk.removeprefix(codecs.BOM_UTF8)
        carried = len(decoder.getstate()[0])
        try:
            text = pending + decoder.decode(data)
        except UnicodeDecodeError as error:
            skipped = len(chunk) - len(data)
            raise _not_utf8(uri, error, offset + skipped - carried, line + pending.count("\n")) from error
        offset += len(chunk)
        end = last_line_end(text)
        block, pending = Block(line, text[:end]), text[end:]
        if end:
            line += block.text.count("\n")
            yield block
        if len(pending) > LONGEST_LINE:
            raise NotACsv(f"{uri}: line {line} is longer than {LONGEST_LINE} characters")
    if decoder.getstate()[0]:
        raise NotUtf8(f"{uri} ends in the middle of a UTF-8 character: it was cut off, upload it again")
    if pending:
        yield Block(line, pending)


def _sniff(uri: str, head: bytes) -> None:
    half = len(head) // 2
    if head.startswith(UTF16_MARKS) or (half and max(head[::2].count(0), head[1::2].count(0)) > half // 2):
        raise NotUtf8(f"{uri} is UTF-16 text: save it as UTF-8 and start the run again")
    for magic, what in MAGIC_NUMBERS.items():
        if head.startswith(magic):
            raise NotACsv(f"{uri} is {what}, not a CSV: upload the table as comma-separated text")
    if len(head.translate(None, CONTROL_BYTES)) != len(head):
        raise NotACsv(f"{uri} is binary, not a CSV: upload the table as comma-separated text")


def _not_utf8(uri: str, error: UnicodeDecodeError, base: int, line: int) -> NotUtf8:
    line += error.object[: error.start].count(b"\n")
    byte = error.object[error.start]
    return NotUtf8(
        f"{uri} is not UTF-8: byte 0x{byte:02X} at offset {base + error.start} (line {line}) does not "
        "belong; save the table as UTF-8 and start the run again"
    )


def _check_header(uri: str, names: Sequence[str], required: Sequence[str]) -> None:
    missing = [name for name in required if name not in names]
    if missing:
        raise _header_error(uri, names, required, missing)
    counted = Counter(names)
    repeated = [name for name in required if counted[name] > 1]
    if repeated:
        raise DuplicateColumn(
            f"the header of {uri} has {_quoted(repeated)} more than once: keep one and start the run again"
        )


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    unique: dict[str, None] = {}
    for position, name in enumerate(names, start=1):
        plain = name or f"column_{position}"
        unique[plain if plain not in unique else f"{plain} ({position})"] = None
    return tuple(unique)


def _header_error(
    uri: str, names: Sequence[str], required: Sequence[str], missing: Sequence[str]
) -> NotACsv | MissingHeader | MissingColumn:
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        return NotACsv(f"the header of {uri} has no commas: its fields seem to be separated otherwise")
    known = {name.casefold() for name in required}
    if not known & {name.casefold() for name in names} and any(map(_looks_like_data, names)):
        return MissingHeader(
            f"the first line of {uri} is data: put the column names ({', '.join(required)}) before it"
        )
    return MissingColumn(_missing_columns(uri, names, required, missing))


def _missing_columns(uri: str, names: Sequence[str], required: Sequence[str], missing: Sequence[str]) -> str:
    plural = "s are" if len(missing) > 1 else " is"
    others = [name for name in names if name not in required]
    hints = [f"{found!r} for {name!r}" for name in missing if (found := _closest(name, others))]
    beside = f"it also has {_quoted(others)}; " if others else ""
    what_next = (
        f"did you mean {', '.join(hints)}? Rename what is misnamed" if hints else "add what is missing"
    )
    return (
        f"the column{plural} missing in the header of {uri}: {_quoted(missing)}; "
        f"{beside}{what_next} and start the run again"
    )


def _closest(name: str, others: Sequence[str]) -> str | None:
    by_folded = {other.casefold(): other for other in reversed(others)}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[close[0]] if close else None


def _looks_like_data(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _quoted(names: Sequence[str]) -> str:
    shown = [repr(name[:40]) for name in names[:LONGEST_LISTING]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
