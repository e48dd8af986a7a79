"""An object cut into payloads, rows filtered and joined: functions of bytes and text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from localcloud.sagemaker.records import (
    BadFilter,
    BadRecords,
    parse_filter,
    parse_processing,
    payloads,
    whole,
)

ROW = ["id", "a", "b", "c"]


@pytest.mark.parametrize(
    ("path", "selected"),
    [
        ("$", ROW),
        ("$[*]", ROW),
        ("$[0]", ["id"]),
        ("$[0,-1]", ["id", "c"]),
        ("$[0, -1]", ["id", "c"]),
        ("$[3,1]", ["c", "a"]),
        ("$[1,1]", ["a", "a"]),
        ("$[1:]", ["a", "b", "c"]),
        ("$[:-1]", ["id", "a", "b"]),
        ("$[1:3]", ["a", "b"]),
        ("$[-2:]", ["b", "c"]),
        ("$[:]", ROW),
    ],
)
def test_a_filter_selects_columns_by_index(path: str, selected: list[str]) -> None:
    assert parse_filter(path)(ROW) == selected


@pytest.mark.parametrize(
    "path", ["$.id", "$['id']", "[0]", "0", "$[0", "$[a]", "$[0,5:]", "$[0:2:1]", "$[1.5]", "$[?(@>1)]"]
)
def test_what_is_no_index_is_no_filter_of_csv(path: str) -> None:
    with pytest.raises(BadFilter, match="cannot be applied to CSV"):
        parse_filter(path)


@pytest.mark.parametrize("path", ["$[4]", "$[0,9]", "$[-5]", "$[4:]", "$[2:2]"])
def test_a_filter_of_columns_that_are_not_there_is_an_error(path: str) -> None:
    with pytest.raises(BadRecords, match="a row of 4 columns does not have"):
        parse_filter(path)(ROW)


@pytest.mark.parametrize(
    "path", ["$", "$[0]", "$[0,-1]", "$[1:]", "$[2:]", "$[3:]", "$[:-1]", "$[-2:]", "$[0:]"]
)
@pytest.mark.parametrize("lines", [["a,b,c,d", ",,,", "1,2,3,4"], ["a", "b,c"], ["a,b"], []])
def test_lines_are_filtered_as_their_fields_are(path: str, lines: list[str]) -> None:
    wanted = parse_filter(path)

    def one_by_one() -> list[str]:
        return [",".join(wanted(line.split(","))) for line in lines]

    assert outcome(lambda: wanted.of_lines(lines)) == outcome(one_by_one)


@pytest.mark.parametrize("lines", [["a,b,c,d", ",,"], ["a", "b,c"], []])
@pytest.mark.parametrize("prediction", ["0.5", "0.1,0.9", ""])
def test_a_join_is_cut_as_joined_lines_are(lines: list[str], prediction: str) -> None:
    wanted, predictions = parse_filter("$[0,-1]"), [prediction] * len(lines)
    joined = [f"{line},{prediction}" for line in lines]
    assert wanted.cut_joined
    assert wanted.cut_joined(lines, predictions) == wanted.of_lines(joined)


def outcome(work: Callable[[], list[str]]) -> list[str] | str:
    try:
        return work()
    except BadRecords as error:
        return str(error)


def chunked(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 64])
@pytest.mark.parametrize("most", [4, 5, 8, 9, 100])
@pytest.mark.parametrize("data", [b"1,2\n3,4\n5,6\n", b"1,2\n3,4\n5", b"1\n\n22\r\n3", b"", b"\n"])
def test_payloads_are_whole_lines_wherever_the_chunks_end(data: bytes, most: int, chunk: int) -> None:
    cut = list(payloads(chunked(data, chunk), most, single=False))
    assert b"".join(cut) == data
    assert all(len(payload) <= most for payload in cut)
    assert all(payload.endswith(b"\n") for payload in cut[:-1])


def test_a_payload_holds_as_many_lines_as_fit() -> None:
    assert list(payloads([b"1,2\n3,4\n5,6\n"], 8, single=False)) == [b"1,2\n3,4\n", b"5,6\n"]
    assert list(payloads([b"1,2\n3,4\n5,6\n"], 7, single=False)) == [b"1,2\n", b"3,4\n", b"5,6\n"]


def test_single_records_are_lines_one_by_one() -> None:
    cut = payloads([b"1,2\n3,", b"4\r\n5\r,6"], 8, single=True)
    assert list(cut) == [b"1,2\n", b"3,4\r\n", b"5\r,6"]


@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_a_line_larger_than_a_payload_is_an_error(chunk: int) -> None:
    cut = payloads(chunked(b"1\n" + b"2" * 9 + b"\n3\n", chunk), 8, single=False)
    assert next(cut) == b"1\n"
    with pytest.raises(BadRecords, match="A record is larger than MaxPayloadInMB"):
        next(cut)


def test_an_object_that_is_not_split_is_one_payload() -> None:
    assert list(whole([b"1,2\n", b"3,4\n"], 8)) == [b"1,2\n3,4\n"]
    assert list(whole([], 8)) == []
    with pytest.raises(BadRecords, match="is larger than MaxPayloadInMB"):
        list(whole([b"1,2\n", b"3,4\n", b"5"], 8))


def sums(payload: bytes) -> bytes:
    """A container whose prediction is the sum of the row."""
    rows = payload.decode().rstrip("\n").split("\n")
    return "".join(f"{sum(float(field) for field in row.split(','))}\n" for row in rows).encode()


ID_AND_SCORE = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}


@pytest.mark.parametrize(
    "payload", [b"7,1,2\n8,3,4\n", b"7,1,2\n8,3,4", b"7,1,2\r\n8,3,4\r\n", b"7,1,2\n\n8,3,4\n\n"]
)
def test_each_row_keeps_its_id_and_gets_its_score(payload: bytes) -> None:
    assert parse_processing(ID_AND_SCORE).apply(payload, sums) == b"7,3.0\n8,7.0\n"


def test_joining_alone_appends_the_prediction() -> None:
    assert parse_processing({"JoinSource": "Input"}).apply(b"1,2\n", sums) == b"1,2,3.0\n"


def test_without_a_join_the_output_filter_sees_the_prediction_alone() -> None:
    processing = parse_processing({"InputFilter": "$[0]", "OutputFilter": "$[0]"})
    assert processing.apply(b"1,2\n", sums) == b"1.0\n"
    with pytest.raises(BadRecords, match="a row of 1 columns"):
        parse_processing({"OutputFilter": "$[0,1]"}).apply(b"1,2\n", sums)


def test_quoted_fields_are_one_field_and_stay_quoted_where_they_must() -> None:
    payload = b'"Braund, ""Owen""",1,2\n"plain",3,4\n'
    assert parse_processing(ID_AND_SCORE).apply(payload, sums) == b'"Braund, ""Owen""",3.0\nplain,7.0\n'


def test_bytes_that_are_no_text_pass_through_untouched() -> None:
    assert parse_processing(ID_AND_SCORE).apply(b"\xff\xe9,1,2\n", sums) == b"\xff\xe9,3.0\n"


def test_a_quote_that_is_never_closed_is_an_error() -> None:
    with pytest.raises(BadRecords, match="Failed to parse a line as CSV"):
        parse_processing(ID_AND_SCORE).apply(b'"open,1,2\n', sums)


def test_a_container_that_answers_too_few_lines_fails_the_join() -> None:
    with pytest.raises(BadRecords, match="mismatched line count"):
        parse_processing(ID_AND_SCORE).apply(b"7,1,2\n8,3,4\n", lambda _payload: b"1.0\n")


def test_an_empty_payload_asks_nobody() -> None:
    assert parse_processing(ID_AND_SCORE).apply(b"\n", lambda _payload: pytest.fail("asked")) == b""


def test_nothing_to_do_is_told_apart() -> None:
    assert parse_processing({}).leaves_alone
    assert parse_processing({"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}).leaves_alone
    assert not parse_processing(ID_AND_SCORE).leaves_alone
