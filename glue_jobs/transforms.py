"""Cleaning, encoding, quarantine and split, as expressions over a lazy frame of any engine.

Narwhals passes them on to Polars or Spark unchanged, so there is one set of rules and both engines give the
same rows. Only `when`/`then` and casts guarded by a pattern are used: they stream, and no value makes a
cast fail.

Frames have these columns:

    scanned     raw/<header> text as read, per source column · source (URI) · ragged (bool)
    classified  scanned + value/<column> per contract column, a number or null · reason (text or null) ·
                in_validation (bool, null without an id)
    flagged     classified + duplicate (bool): another row has its id, too
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import narwhals as nw

from glue_jobs.contract import Column, Contract

Frame = nw.LazyFrame[Any]

RAGGED = "ragged"
SOURCE = "source"
REASON = "reason"
IN_VALIDATION = "in_validation"
DUPLICATE = "duplicate"
RAGGED_LINE = "ragged_line"
DUPLICATE_ID = "duplicate_id"
UNREADABLE = {"integer": "not_an_integer", "number": "not_a_number", "category": "unknown_category"}

BLANKS = " \t\r\n\v\f\u00a0"
# \z and not $: in Java $ also matches before a last line separator, and there are several.
# Fifteen digits fit a double exactly, through which they are cast. 3.0 is an integer: tools that know no
# missing integers write it so.
INTEGER_PATTERN = r"^[+-]?[0-9]{1,15}(\.0*)?\z"
NUMBER_PATTERN = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?\z"

LEHMER_MODULUS = 2**31 - 1
LEHMER_MULTIPLIER = 742_938_285

REPORT_DECIMALS = 6


def raw(name: str) -> str:
    """The scanned column of a header's name."""
    return f"raw/{_plain(name)}"


def value(name: str) -> str:
    """The classified column of a contract column's name."""
    return f"value/{_plain(name)}"


def _text(name: str) -> str:
    return f"text/{_plain(name)}"


def _plain(name: str) -> str:
    """To Spark a dot is a member's and a backtick quotes: names that are referred to have neither."""
    return name.replace(".", "/dot/").replace("`", "/backtick/")


def classify(scanned: Frame, contract: Contract, columns: Sequence[Column]) -> Frame:
    """Give every row its numbers and, when it breaks the contract, the reason: its first fault.

    A duplicate id is not seen here: that needs all rows, see `mark_duplicates`.
    """
    texts = [_trimmed(column.name, contract.missing_values) for column in columns]
    values = [_value(column).alias(value(column.name)) for column in columns]
    ragged = nw.when(nw.col(RAGGED)).then(nw.lit(RAGGED_LINE))
    faults = [fault for column in columns for fault in _faults(column).values()]
    return (
        scanned.with_columns(*texts)
        .with_columns(*values)
        .with_columns(
            nw.coalesce(ragged, *faults).alias(REASON),
            is_in_validation(nw.col(value(contract.id)), contract.validation_fraction).alias(IN_VALIDATION),
        )
    )


def reasons(columns: Sequence[Column]) -> list[str]:
    """Every reason a row can be quarantined for."""
    return [RAGGED_LINE, DUPLICATE_ID, *(code for column in columns for code in _faults(column))]


def believed_ids(classified: Frame, contract: Contract) -> Frame:
    """One column, the id's, of every row that has one. A ragged row's id is not believed."""
    identity = nw.col(value(contract.id))
    return classified.filter(~nw.col(RAGGED), ~identity.is_null()).select(identity)


def mark_duplicates(flagged: Frame) -> Frame:
    """Quarantine every row of a duplicated id, whatever their order: no row is more right than the other."""
    duplicate = nw.when(nw.col(DUPLICATE)).then(nw.lit(DUPLICATE_ID))
    return flagged.with_columns(nw.coalesce(nw.col(REASON), duplicate).alias(REASON))


def encoded(classified: Frame, columns: Sequence[Column]) -> Frame:
    """The classified rows without the text they were read as."""
    return classified.select(RAGGED, REASON, IN_VALIDATION, *(value(column.name) for column in columns))


def accepted(classified: Frame, columns: Sequence[Column]) -> Frame:
    """The curated rows: numbers only, missing is null."""
    return classified.filter(nw.col(REASON).is_null()).select(
        *(nw.col(value(column.name)).alias(column.name) for column in columns)
    )


def part(classified: Frame, columns: Sequence[Column], *, validation: bool) -> Frame:
    """The curated rows of one part of the split."""
    wanted = nw.col(IN_VALIDATION) if validation else ~nw.col(IN_VALIDATION)
    return accepted(classified.filter(wanted), columns)


def rejected(classified: Frame, headers: Sequence[str]) -> Frame:
    """The quarantined rows as they were read, after the reason and the file they came from."""
    originals = [header for header in headers if header not in {REASON, SOURCE}]
    return classified.filter(~nw.col(REASON).is_null()).select(
        REASON, SOURCE, *(nw.col(raw(header)).alias(header) for header in originals)
    )


def is_in_validation(identity: nw.Expr, fraction: float) -> nw.Expr:
    """Whether a row is kept for validation: the same for an id on every engine, in every run.

    Lehmer steps modulo 2^31-1 in 64-bit integers. One step maps ids that count up onto a lattice, so the
    state is squared between two steps.
    """
    first = identity % LEHMER_MODULUS * LEHMER_MULTIPLIER % LEHMER_MODULUS
    squared = first * first % LEHMER_MODULUS
    last = squared * LEHMER_MULTIPLIER % LEHMER_MODULUS
    return last < round(fraction * LEHMER_MODULUS)


def summary(classified: Frame, contract: Contract, columns: Sequence[Column]) -> Frame:
    """One row that counts everything; `glue_jobs.report` reads it by the names of the `…_key` functions."""
    counts = {"rows": nw.len(), "accepted": _count(nw.col(REASON).is_null())}
    for code in reasons(columns):
        counts[reason_key(code)] = _count(nw.col(REASON) == code)
    for column in columns:
        counts |= _column_summary(column)
    if any(column.name == contract.target for column in columns):
        for label in contract.column(contract.target).allowed:
            of_class = nw.col(value(contract.target)) == label
            counts[class_key(label, validation=False)] = _count(of_class & ~nw.col(IN_VALIDATION), valid=True)
            counts[class_key(label, validation=True)] = _count(of_class & nw.col(IN_VALIDATION), valid=True)
    return classified.select(*(expression.alias(name) for name, expression in counts.items()))


def reason_key(code: str) -> str:
    return f"reason/{code}"


def statistic_key(column: str, statistic: str) -> str:
    return f"{statistic}/{column}"


def category_key(column: str, category: str) -> str:
    return f"category/{column}/{category}"


def class_key(value: int, *, validation: bool) -> str:
    return f"class/{'validation' if validation else 'train'}/{value}"


def _column_summary(column: Column) -> dict[str, nw.Expr]:
    number = nw.col(value(column.name))
    valid = nw.when(nw.col(REASON).is_null()).then(number)
    found = {statistic_key(column.name, "missing"): _count(number.is_null(), valid=True)}
    if column.type == "category":
        return found | {
            category_key(column.name, category): _count(number == code, valid=True)
            for category, code in column.encoding.items()
        }
    return found | {
        statistic_key(column.name, "minimum"): valid.min(),
        statistic_key(column.name, "maximum"): valid.max(),
        # Threads add in any order; past six decimals a rerun may differ.
        statistic_key(column.name, "mean"): valid.mean().round(REPORT_DECIMALS),
    }


def _count(condition: nw.Expr, *, valid: bool = False) -> nw.Expr:
    counted = condition & nw.col(REASON).is_null() if valid else condition
    return nw.when(counted).then(nw.lit(1)).otherwise(nw.lit(0)).sum()


def _trimmed(name: str, missing_values: Sequence[str]) -> nw.Expr:
    text = nw.col(raw(name)).str.strip_chars(BLANKS)
    return nw.when(~text.is_in(missing_values)).then(text).alias(_text(name))


def _value(column: Column) -> nw.Expr:
    text = nw.col(_text(column.name))
    if column.type == "category":
        return _code(text, column.encoding)
    if column.type == "integer":
        return nw.when(text.str.contains(INTEGER_PATTERN)).then(text).cast(nw.Float64).cast(nw.Int64)
    return nw.when(text.str.contains(NUMBER_PATTERN)).then(text).cast(nw.Float64)


def _code(text: nw.Expr, encoding: Mapping[str, int]) -> nw.Expr:
    unknown = nw.lit(None, dtype=nw.Int64)
    return reduce(
        lambda otherwise, item: (
            nw.when(text == item[0]).then(nw.lit(item[1], dtype=nw.Int64)).otherwise(otherwise)
        ),
        encoding.items(),
        unknown,
    )


def _faults(column: Column) -> dict[str, nw.Expr]:
    """Reason code to an expression that is that code where the row has the fault, else null."""
    text, number = nw.col(_text(column.name)), nw.col(value(column.name))
    conditions: dict[str, nw.Expr] = {UNREADABLE[column.type]: ~text.is_null() & number.is_null()}
    if not column.nullable:
        conditions["missing"] = text.is_null()
    if column.minimum is not None:
        conditions["below_minimum"] = number < column.minimum
    if column.maximum is not None:
        conditions["above_maximum"] = number > column.maximum
    if column.allowed:
        conditions["not_allowed"] = ~number.is_in(column.allowed)
    coded = {f"{column.name}.{fault}": condition for fault, condition in conditions.items()}
    return {code: nw.when(condition).then(nw.lit(code)) for code, condition in coded.items()}
