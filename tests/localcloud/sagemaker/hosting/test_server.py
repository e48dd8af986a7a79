"""The container's answers, without a process: what is read, what is refused, what is sent."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from localcloud.sagemaker.hosting.server import Answer, Container, Request, take_request
from localcloud.sagemaker.xgboost_serving import Scorer


@pytest.fixture(scope="module")
def container(boosters: Callable[[int, bool], Path], tmp_path_factory: pytest.TempPathFactory) -> Container:
    folder = tmp_path_factory.mktemp("model")
    (folder / "xgboost-model").write_bytes(boosters(3, True).read_bytes())
    return Container(Scorer.load(folder, {}))


@pytest.fixture
def invoke(container: Container) -> Callable[..., Answer]:
    def ask(body: str | bytes, content_type: str | None = "text/csv", accept: str | None = None) -> Answer:
        headers = {"content-type": content_type, "accept": accept}
        given = {name: value for name, value in headers.items() if value is not None}
        payload = body.encode() if isinstance(body, str) else body
        return container.answer(Request("POST", "/invocations", given, payload))

    return ask


Invoke = Callable[..., Answer]


def scores(answer: Answer) -> list[float]:
    assert answer.status == 200, answer
    return [float(line) for line in answer.body.decode().splitlines()]


def test_answers_one_probability_a_line(invoke: Invoke) -> None:
    answer = invoke("0.9,0,0\n0.1,0,0\n")
    high, low = scores(answer)
    assert 0 < low < 0.5 < high < 1
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.body.endswith(b"\n")


@pytest.mark.parametrize("body", ["0.9,0,0", "0.9,0,0\n", "0.9,0,0\r\n", "\n0.9,0,0\n\n"])
def test_line_ends_around_the_rows_do_not_matter(invoke: Invoke, body: str) -> None:
    assert len(scores(invoke(body))) == 1


@pytest.mark.parametrize("content_type", ["text/csv", "csv", "text/csv; charset=utf-8", "TEXT/CSV", None])
def test_csv_is_known_by_many_names(invoke: Invoke, content_type: str | None) -> None:
    assert len(scores(invoke("0.9,0,0", content_type))) == 1


def test_a_blank_is_missing_however_it_is_read(invoke: Invoke) -> None:
    expected = scores(invoke('{"instances": [{"features": [0.9, null, null]}]}', "application/json"))
    assert scores(invoke("0.9,,")) == expected
    assert scores(invoke("0.9,nan,NaN")) == expected
    assert scores(invoke(f"0.9,{math.nan},")) == expected


def test_large_tables_give_what_small_ones_give(invoke: Invoke) -> None:
    rows = [f"{number / 5000},,1e-3" for number in range(5000)]  # more than is read the short way
    assert scores(invoke("\n".join(rows)))[::500] == scores(invoke("\n".join(rows[::500])))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("first,second,third\n0.9,0,0", "could not convert string to float"),
        ("0.9,yes,0", "could not convert string to float"),
        ("0.9,0,0\n0.9,0", "inhomogeneous"),
        (b"\xff\xfe,1,2", "codec can't decode"),
    ],
)
def test_what_is_no_table_of_numbers_gets_415(invoke: Invoke, body: str | bytes, words: str) -> None:
    answer = invoke(body)
    assert answer.status == 415
    assert "Loading csv data failed with Exception" in answer.body.decode()
    assert words in answer.body.decode()


@pytest.mark.parametrize("content_type", ["image/png", "text/libsvm", "application/x-parquet", "nonsense"])
def test_an_unknown_type_gets_415(invoke: Invoke, content_type: str) -> None:
    answer = invoke("0.9,0,0", content_type)
    assert answer.status == 415
    assert f"{content_type} is not an accepted ContentType" in answer.body.decode()


@pytest.mark.parametrize("row", ["0.9,0", "0.9,0,0,0"])
def test_the_wrong_number_of_columns_gets_400(invoke: Invoke, row: str) -> None:
    answer = invoke(row)
    assert answer.status == 400
    assert "is not consistent with feature size of trained model 3" in answer.body.decode()


def test_json_in_json_out(invoke: Invoke) -> None:
    body = json.dumps({"instances": [{"features": [0.9, 0, 0]}, {"features": [0.1, 0, None]}]})
    answer = invoke(body, "application/json", "application/json")
    assert answer.content_type == "application/json"
    predictions = json.loads(answer.body)["predictions"]
    assert [round(item["score"], 6) for item in predictions] == [
        round(score, 6) for score in scores(invoke("0.9,0,0\n0.1,0,"))
    ]


def test_json_lines_out(invoke: Invoke) -> None:
    lines = invoke("0.9,0,0\n0.1,0,0", accept="application/jsonlines").body.decode().splitlines()
    assert [list(json.loads(line)) for line in lines] == [["score"], ["score"]]


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        '{"rows": []}',
        '{"instances": []}',
        '{"instances": [{"features": [1, 2, 3]}, {"features": [1, 2]}]}',
        '{"instances": [{"features": ["a", 2, 3]}]}',
        '{"instances": [{"features": 1}]}',
    ],
)
def test_json_of_another_form_gets_415(invoke: Invoke, body: str) -> None:
    answer = invoke(body, "application/json")
    assert answer.status == 415
    assert '{"instances": [{"features": [...]}]}' in answer.body.decode()


def test_a_wrong_number_of_features_in_json_gets_400(invoke: Invoke) -> None:
    assert invoke('{"instances": [{"features": [1, 2]}]}', "application/json").status == 400


@pytest.mark.parametrize("accept", ["", "*/*", "text/csv", "text/csv; charset=utf-8"])
def test_csv_is_the_answer_unless_another_is_wanted(invoke: Invoke, accept: str) -> None:
    assert len(scores(invoke("0.9,0,0", accept=accept))) == 1


def test_an_answer_nobody_can_write_gets_406(invoke: Invoke) -> None:
    answer = invoke("0.9,0,0", accept="image/png")
    assert answer.status == 406
    assert b"image/png is not supported" in answer.body


def test_no_content_for_no_content(invoke: Invoke) -> None:
    assert invoke("").status == 204


def test_a_request_that_breaks_the_server_is_its_own_trouble(
    monkeypatch: pytest.MonkeyPatch, container: Container, invoke: Invoke
) -> None:
    def explode(_features: object) -> None:
        raise RuntimeError("bug")

    with monkeypatch.context() as patched:
        patched.setattr(container._scorer, "predict", explode)
        assert invoke("0.9,0,0") == Answer(500, body=b"bug")
    assert invoke("0.9,0,0").status == 200


def test_pings_and_wrong_ways(container: Container) -> None:
    assert container.answer(Request("GET", "/ping", {}, b"")).status == 200
    assert container.answer(Request("GET", "/invocations", {}, b"")).status == 405
    assert container.answer(Request("GET", "/etc/passwd", {}, b"")).status == 404


WHOLE = b"POST /invocations HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: 3\r\n\r\n1,2"


def test_requests_arrive_in_pieces() -> None:
    for cut in range(len(WHOLE)):
        assert take_request(bytearray(WHOLE[:cut])) is None
    received = bytearray(WHOLE + WHOLE)
    first, second = take_request(received), take_request(received)
    assert (
        first
        == second
        == Request("POST", "/invocations", {"content-type": "text/csv", "content-length": "3"}, b"1,2")
    )
    assert not received
    assert take_request(received) is None


@pytest.mark.parametrize(
    "head",
    [b"nonsense", b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked", b"GET / HTTP/1.1\r\nContent-Length: x"],
)
def test_what_is_no_http_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        take_request(bytearray(head + b"\r\n\r\n"))
