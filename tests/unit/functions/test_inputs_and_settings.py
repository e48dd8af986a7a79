from __future__ import annotations

import pytest
from aws_lambda_powertools.utilities.parser import Field

from functions.common import errors
from functions.common.errors import InvalidInput, InvalidSettings
from functions.common.inputs import StrictModel, parse_input
from functions.common.settings import Settings, read_settings


class Inner(StrictModel):
    share: float = Field(ge=0, le=1, description="a share from 0 to 1")


class Outer(StrictModel):
    inner: Inner
    label: str


class CountSettings(Settings):
    count: int


def test_a_valid_object_becomes_its_model() -> None:
    assert parse_input({"inner": {"share": 0.5}, "label": "x"}, Outer, "Event").inner.share == 0.5


def test_a_wrong_nested_key_is_named_by_its_path() -> None:
    with pytest.raises(InvalidInput, match=r"key 'inner.share' is a number \(2\), give a share from 0 to 1"):
        parse_input({"inner": {"share": 2}, "label": "x"}, Outer, "Event")


def test_a_missing_key_is_named() -> None:
    with pytest.raises(InvalidInput, match="Event: key 'label' is missing"):
        parse_input({"inner": {"share": 1}}, Outer, "Event")


def test_a_key_without_a_description_gets_the_type_it_needs() -> None:
    with pytest.raises(InvalidInput, match=r"key 'label' is a number \(5\), Input should be a valid string"):
        parse_input({"inner": {"share": 1}, "label": 5}, Outer, "Event")


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ENV": "dev", "DATA_BUCKET": "bucket", "COUNT": "3"}.items():
        monkeypatch.setenv(name, value)
    assert read_settings(CountSettings) == CountSettings(env="dev", data_bucket="bucket", count=3)


@pytest.mark.parametrize("count", [None, "", "three"])
def test_missing_and_malformed_variables_are_named(
    monkeypatch: pytest.MonkeyPatch, count: str | None
) -> None:
    monkeypatch.setenv("ENV", "dev")
    monkeypatch.setenv("DATA_BUCKET", "bucket")
    monkeypatch.delenv("COUNT", raising=False)
    if count is not None:
        monkeypatch.setenv("COUNT", count)
    with pytest.raises(InvalidSettings, match="no usable COUNT"):
        read_settings(CountSettings)


def test_the_drawn_error_tree_is_the_real_one() -> None:
    drawn = errors.__doc__ or ""
    for error in errors.FunctionError.__subclasses__():
        assert f" {error.__name__} " in drawn
    assert drawn.count("──") == len(errors.FunctionError.__subclasses__())
