"""The data report and the verdict on a table, from the counts of `transforms.summary`. Plain values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from glue_jobs.contract import Column, Contract
from glue_jobs.errors import NoValidRows, SingleClassTarget, TooFewRows, TooManyBadRows
from glue_jobs.transforms import category_key, class_key, reason_key, reasons, statistic_key

Counts = Mapping[str, Any]
Report = dict[str, Any]


def data_report(counts: Counts, contract: Contract, columns: Sequence[Column]) -> Report:
    """What the table held: rows in and out, why rows were quarantined, each column, each class.

    `counts` is the one row of `transforms.summary`. With a target among `columns` the split is counted too.
    """
    report = {
        "rows_in": counts["rows"],
        "rows_out": counts["accepted"],
        "rows_quarantined": counts["rows"] - counts["accepted"],
        "quarantine_reasons": _quarantine_reasons(counts, columns),
        "columns": {
            column.name: _column_report(counts, column)
            for column in columns
            if column.name not in {contract.id, contract.target}
        },
    }
    if contract.target not in {column.name for column in columns}:
        return report
    classes = contract.column(contract.target).allowed
    of_part = {
        validation: [counts[class_key(value, validation=validation)] for value in classes]
        for validation in (False, True)
    }
    return report | {
        "train_rows": sum(of_part[False]),
        "validation_rows": sum(of_part[True]),
        "target": {
            str(value): train + validation
            for value, train, validation in zip(classes, of_part[False], of_part[True], strict=True)
        },
    }


def check_rows(report: Report, contract: Contract, quarantine_uri: str) -> None:
    """Raise what makes the table useless as a whole, from its `data_report`.

    Raises:
        NoValidRows, TooManyBadRows: with the commonest reasons and where the rows were written.
    """
    rows, bad = report["rows_in"], report["rows_quarantined"]
    listed = _commonest(report["quarantine_reasons"])
    where = f"the rows and their reasons are in {quarantine_uri}"
    if bad == rows:
        raise NoValidRows(f"all {rows} rows break the contract ({listed}); {where}")
    limit = contract.maximum_quarantine_fraction
    if bad > limit * rows:
        raise TooManyBadRows(
            f"{bad} of {rows} rows ({bad / rows:.1%}) break the contract ({listed}), "
            f"which allows {limit:.1%}; {where}"
        )


def check_target(counts: Counts, contract: Contract) -> None:
    """Raise what makes a training table impossible to learn from or to measure on.

    Raises:
        SingleClassTarget, TooFewRows: with the counts.
    """
    classes = contract.column(contract.target).allowed
    parts = {"training": False, "validation": True}
    found = {
        name: {value: counts[class_key(value, validation=validation)] for value in classes}
        for name, validation in parts.items()
    }
    totals = {value: sum(found[name][value] for name in parts) for value in classes}
    _require_both_classes("the table", contract.target, totals)
    for name, of_class in found.items():
        if not sum(of_class.values()):
            raise TooFewRows(
                f"the split leaves no rows for the {name} part: {sum(totals.values())} rows are too few"
            )
        _require_both_classes(f"the {name} part", contract.target, of_class)


def _require_both_classes(where: str, target: str, of_class: Mapping[int, int]) -> None:
    if min(of_class.values()) == 0:
        counted = ", ".join(f"{rows} rows with {value}" for value, rows in of_class.items())
        raise SingleClassTarget(
            f"{where} has one value of {target} only ({counted}): a model needs examples of both"
        )


def _quarantine_reasons(counts: Counts, columns: Sequence[Column]) -> dict[str, int]:
    codes = ((code, counts[reason_key(code)]) for code in reasons(columns))
    return {code: rows for code, rows in codes if rows}


def _commonest(found: Mapping[str, int], shown: int = 3) -> str:
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{code}: {rows}" for code, rows in ordered[:shown])


def _column_report(counts: Counts, column: Column) -> Report:
    missing = {"missing": counts[statistic_key(column.name, "missing")]}
    if column.type == "category":
        return missing | {
            "categories": {name: counts[category_key(column.name, name)] for name in column.encoding}
        }
    statistics = ("minimum", "maximum", "mean")
    return missing | {name: counts[statistic_key(column.name, name)] for name in statistics}
