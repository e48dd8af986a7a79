from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
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
from glue_jobs.source import (
    CheckedFile,
    SourceFile,
    check_file,
    find_files,
    first_line_with_odd_quotes,
    read_chunks,
)

URI = "s3://bucket/raw/t.csv"
REQUIRED = ("Id", "Sex", "Age")


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def check(data: bytes | str, size: int = 1 << 20) -> CheckedFile:
    encoded = data.encode() if isinstance(data, str) else data
    found = check_file(URI, pieces(encoded, size), REQUIRED, hashlib.sha256())
    assert found is not None
    return found


def test_counts_rows_and_hashes_every_byte() -> None:
    data = b"Id,Sex,Age\n1,male,3\n2,female,4"
    digest = hashlib.sha256()
    found = check_file(URI, pieces(data, 7), REQUIRED, digest)
    assert found is not None
    assert found.rows == 2
    assert digest.hexdigest() == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1 << 20])
def test_pieces_may_break_anywhere(size: int) -> None:
    data = '\ufeffId,Sex,Age,Name\r\n1,male,3,"Zoë\r\nde, Groot"\r\n\r\n2,female\r\n3,male,4,€\r\n'
    if size < 3:  # the mark itself is in one piece: S3 gives a mebibyte at a time
        data = data.removeprefix("\ufeff")
    found = check(data, size)
    assert found.header == ("Id", "Sex", "Age", "Name")
    assert (found.rows, list(found.blank), list(found.ragged)) == (3, [1], [2])


@pytest.mark.parametrize("size", [1, 2, 1 << 20])
@pytest.mark.parametrize(
    ("data", "spans_lines"),
    [
        ("Id,Sex,Age\r\n1,m,3\r\n\r\n2,f\r\n", False),
        ("\n\nId,Sex,Age\n1,m,3", False),
        ('Id,Sex,Age\n1,"m\nf",3\n', True),
        ('Id,"Se\nx",Sex,Age\n1,,m,3\n', True),
        ('Id,Sex,Age\r\n1,"m\rf",3\r\n', True),
    ],
)
def test_says_whether_each_line_is_a_record(data: str, spans_lines: bool, size: int) -> None:
    assert check(data, size).spans_lines == spans_lines


def test_blanks_around_header_names_do_not_count() -> None:
    assert check(" Id ,Sex\t,Age\n1,male,2\n").header == ("Id", "Sex", "Age")


def test_lines_before_the_header_may_be_blank() -> None:
    found = check("\n  \nId,Sex,Age\n1,male,2\n")
    assert (found.records_before_data, found.rows) == (3, 1)


def test_columns_nobody_asked_for_may_be_unnamed_or_share_a_name() -> None:
    assert check("Id,Sex,,Age,x,x\n").header == ("Id", "Sex", "column_3", "Age", "x", "x (6)")


@pytest.mark.parametrize(
    "data", [b"", b"\n\n  \n", b"\xef\xbb\xbf"], ids=["empty", "blank lines", "mark only"]
)
def test_a_file_without_a_line_is_no_table(data: bytes) -> None:
    assert check_file(URI, pieces(data, 10), REQUIRED, hashlib.sha256()) is None


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("Id,gender,Age", "column is missing .*: 'Sex'; it also has 'gender'"),
        ("Id,sex,Age", "did you mean 'sex' for 'Sex'"),
        ("Id,Sexe,Age", "did you mean 'Sexe' for 'Sex'"),
        ("ID,Age", "columns are missing .*: 'Id', 'Sex'; .*did you mean 'ID' for 'Id'"),
        ("Id,Age", "'Sex'; add what is missing and start"),
    ],
)
def test_names_a_missing_column_and_the_closest_name_found(header: str, said: str) -> None:
    with pytest.raises(MissingColumn, match=said):
        check(f"{header}\n1,male,2\n")


def test_a_very_wide_header_is_not_repeated_whole() -> None:
    with pytest.raises(MissingColumn, match="and 480 more") as raised:
        check(",".join(f"column{number}" for number in range(500)) + "\n")
    assert len(str(raised.value)) < 1000


def test_knows_a_first_line_that_is_data() -> None:
    with pytest.raises(MissingHeader, match="Id, Sex, Age"):
        check("1,male,22\n2,female,38\n")


def test_does_not_repeat_the_data_it_found_in_place_of_a_header() -> None:
    with pytest.raises(MissingHeader) as raised:
        check('1,male,"Braund, Mr. Owen"\n')
    assert "Braund" not in str(raised.value)


def test_rejects_a_needed_column_that_comes_twice() -> None:
    with pytest.raises(DuplicateColumn, match="'Age' more than once"):
        check("Id,Sex,Age,Age \n1,male,2,3\n")


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_knows_a_table_with_other_separators(separator: str) -> None:
    with pytest.raises(NotACsv, match="separated otherwise"):
        check(f"Id{separator}Sex{separator}Age\n")


def test_says_where_latin_1_begins() -> None:
    data = "Id,Sex,Age,Name\n1,male,2,Ann\n2,male,3,Zoë\n".encode("latin-1")
    with pytest.raises(NotUtf8, match=rf"byte 0xEB at offset {data.index(0xEB)} \(line 3\)"):
        check(data)


@pytest.mark.parametrize("size", [7, 1000])
def test_says_where_utf_8_ends_in_a_long_file_with_a_mark(size: int) -> None:
    good = "\ufeffId,Sex,Age,Name\n".encode() + "1,male,2,é€\n".encode() * 500
    with pytest.raises(NotUtf8, match=rf"offset {len(good) + 2} \(line 502\)"):
        check(good + b"1,\xff", size)


def test_a_file_cut_within_a_character_is_not_utf_8() -> None:
    with pytest.raises(NotUtf8, match="cut off"):
        check("Id,Sex,Age\n1,male,€".encode()[:-1])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_knows_utf_16_with_and_without_a_mark(encoding: str) -> None:
    with pytest.raises(NotUtf8, match="UTF-16"):
        check("Id,Sex,Age\n1,male,3\n".encode(encoding))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (gzip.compress(b"Id,Sex,Age\n", mtime=0), "a gzip archive"),
        (b"PK\x03\x04rest", "a zip archive or a spreadsheet"),
        (b"PAR1\x15\x04", "a Parquet file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary"),
        (bytes(range(256)), "binary"),
    ],
    ids=["gzip", "zip", "Parquet", "PNG", "any bytes"],
)
def test_knows_a_binary_file(data: bytes, what: str) -> None:
    with pytest.raises(NotACsv, match=what):
        check(data)


def test_says_where_an_open_quote_begins() -> None:
    with pytest.raises(NotACsv, match="begins on line 3"):
        check('Id,Sex,Age\n1,male,2\n2,"male,3\n' + "3,male,4\n" * 50)


def test_an_open_quote_does_not_swallow_a_big_file() -> None:
    with pytest.raises(NotACsv, match="begins on line 2"):
        check('Id,Sex,Age\n1,"male,2\n' + "3,male,4\n" * 50_000)


def test_line_ends_of_old_macs_are_not_a_csv() -> None:
    with pytest.raises(NotACsv, match="line 1"):
        check("Id,Sex,Age\r1,male,2\r")


def test_a_line_without_end_is_refused_before_it_fills_memory() -> None:
    with pytest.raises(NotACsv, match="line 2 is longer"):
        check("Id,Sex,Age\n" + "x" * 11_000_000)


def test_finds_the_line_where_quotes_stop_pairing() -> None:
    data = b'Id,Name\n1,"fine"\n2,5" pipe\n3,6" pipe\n'
    assert first_line_with_odd_quotes(URI, [data]) == 3
    assert first_line_with_odd_quotes(URI, [b'Id\n"a"\n']) is None


class Forbidding:
    """An S3 where the role may do nothing."""

    def list_objects_v2(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListObjectsV2")

    def get_object(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")


class TestFindFiles:
    def test_takes_one_object(self, s3: Any, put: Any) -> None:
        uri = put("a,b\n")
        [file] = find_files(s3, uri)
        assert (file.uri, file.size) == (uri, 4)

    def test_takes_every_file_of_a_folder_in_order_and_leaves_marks_alone(
        self, s3: Any, bucket: str, put: Any
    ) -> None:
        for key in ("raw/t/b.csv", "raw/t/a.csv", "raw/t/_SUCCESS", "raw/t/.crc", "raw/t/", "raw/t2.csv"):
            put("x", key)
        for uri in (f"s3://{bucket}/raw/t", f"s3://{bucket}/raw/t/"):
            assert [file.key for file in find_files(s3, uri)] == ["raw/t/a.csv", "raw/t/b.csv"]

    @pytest.mark.parametrize(
        "uri", ["raw/t.csv", "https://bucket/t.csv", "s3://", "s3:///t.csv", "file:///t"]
    )
    def test_refuses_what_is_no_s3_uri(self, s3: Any, uri: str) -> None:
        with pytest.raises(SourceNotFound, match="not an S3 URI"):
            find_files(s3, uri)

    def test_says_when_nothing_is_there(self, s3: Any, bucket: str) -> None:
        with pytest.raises(SourceNotFound, match=r"nothing at s3://.*/raw/none\.csv"):
            find_files(s3, f"s3://{bucket}/raw/none.csv")

    def test_says_when_the_bucket_is_not_there(self, s3: Any) -> None:
        with pytest.raises(SourceNotFound, match="NoSuchBucket"):
            find_files(s3, "s3://nobodys-bucket/raw/t.csv")

    def test_a_longer_key_is_another_object(self, s3: Any, bucket: str, put: Any) -> None:
        put("x", "raw/t.csv.old")
        with pytest.raises(SourceNotFound):
            find_files(s3, f"s3://{bucket}/raw/t.csv")

    def test_says_when_the_role_may_not_list(self) -> None:
        with pytest.raises(SourceNotFound, match=r"access denied.*role may not read"):
            find_files(Forbidding(), URI)

    def test_says_when_the_role_may_not_read(self) -> None:
        with pytest.raises(SourceNotFound, match=r"access denied.*role may not read"):
            next(read_chunks(Forbidding(), SourceFile("bucket", "raw/t.csv", 1, "etag")))

    def test_an_empty_folder_is_an_empty_source(self, s3: Any, bucket: str, put: Any) -> None:
        put("", "raw/t/")
        for uri in (f"s3://{bucket}/raw/t", f"s3://{bucket}/raw/t/", f"s3://{bucket}/raw/u/"):
            with pytest.raises(EmptySource, match="no files"):
                find_files(s3, uri)
