"""The figures themselves are no test; that they are told rightly is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import lambdas, measure, prep, report
from benchmarks.measure import Pairs, PeakMemory, Row, Target
from ops.names import ROOT


def test_a_ratio_is_the_median_of_the_pairs_with_its_spread() -> None:
    row = Row.of_pairs("this", "that", Pairs(ours=[1.0, 6.0, 3.0], against=[2.0, 2.0, 3.0]), Target(most=1.2))
    assert row.figure == "**1.00 x** (0.50 to 3.00); 3 against 2 s"
    assert row.met is True
    assert row.raw == {"ours": [1.0, 6.0, 3.0], "against": [2.0, 2.0, 3.0]}


def test_a_target_that_is_missed_is_called_so(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"Before.\n{report.BEGIN}\nold table\n{report.END}\nAfter.\n")
    report.write(document, [Row.of_pairs("this", "that", Pairs([3.0], [1.0]), Target(most=1.2))], "a machine")
    text = document.read_text()
    assert text.startswith("Before.\n")
    assert text.endswith("\nAfter.\n")
    assert "old table" not in text
    assert "| this | that | **3.00 x** (3.00 to 3.00); 3 against 1 s | ≤ 1.2 x | **not met** |" in text
    assert json.loads(document.with_suffix(".json").read_text())["rows"][0]["raw"]["ours"] == [3.0]


def test_a_speed_has_a_least() -> None:
    assert Row.of_pairs("this", "that", Pairs([80.0], [100.0]), Target(least=0.9), "rows/s").met is False
    assert (
        Row.of_pairs("this", "that", Pairs([95.0], [100.0]), Target(least=0.9), "rows/s").target == "≥ 0.9 x"
    )
    shown = Row.of_pairs("this", "that", Pairs([2_500_000.0], [1.0]), Target(), "rows/s")
    assert (shown.target, shown.met) == ("shown", None)
    assert "2 500 000 against 1 rows/s" in shown.figure


def test_the_peak_is_that_of_the_largest_process_that_started_meanwhile(tmp_path: Path) -> None:
    with PeakMemory(os.getpid()) as peak:
        for megabytes in (50, 10):
            script = f"import sys; x = bytearray({megabytes}_000_000); print(); sys.stdin.read()"
            process = subprocess.Popen(
                [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
            )
            process.stdout.readline()  # type: ignore[union-attr]
            peak.look()
            process.communicate()
    assert 48 < peak.mebibytes < 120


def test_a_document_without_marks_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text("Nothing here.")
    with pytest.raises(ValueError, match=r"performance\.md has no"):
        report.write(document, [], "a machine")
    assert document.read_text() == "Nothing here."


def test_the_99th_percentile_is_one_of_the_worst() -> None:
    assert measure.percentile([float(n) for n in range(100)], 0.99) == 99
    assert measure.percentile([1.0], 0.99) == 1.0


def test_a_process_that_fails_says_what_it_printed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"exited with 3:\nwords"):
        measure.run([sys.executable, "-c", "print('words'); exit(3)"], {}, tmp_path)


def test_a_process_tells_its_time_and_memory(tmp_path: Path) -> None:
    held = bytearray(200_000_000)  # of the one that measures: none of the process's own
    usage = measure.run([sys.executable, "-c", "x = bytearray(100_000_000)"], {}, tmp_path)
    assert len(held) > 0
    assert usage.seconds > 0
    assert 95 < usage.mebibytes < 180


def test_finds_the_clients_that_a_handler_asks_for(tmp_path: Path) -> None:
    handler = tmp_path / "handler.py"
    handler.write_text('f(client("s3"), client("s3"), client("sns"), g("sqs"), client(y))')
    assert lambdas.clients_of(handler) == ["s3", "sns"]


def test_every_function_has_a_handler_to_measure() -> None:
    names = json.loads((ROOT / "functions" / "functions.json").read_text())["functions"]
    assert all((ROOT / "functions" / name / "handler.py").exists() for name in names)


def test_a_table_has_as_many_rows_as_asked_for_each_with_its_own_id() -> None:
    header, *rows = prep.table(1000).decode().splitlines()
    at = header.split(",").index("PassengerId")
    assert len({row.split(",")[at] for row in rows}) == len(rows) == 1000
