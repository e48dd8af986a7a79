"""What the inputs of the machines have in common: defaults, a date, a source in the project's bucket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Field, field_validator

from functions.common import s3 as storage
from functions.common.clients import Client
from functions.common.errors import InvalidInput, SourceNotFound
from functions.common.execution import Execution
from functions.common.inputs import StrictModel, describe_value, parse_input
from functions.common.instants import parse_instant
from functions.common.s3 import S3Uri

RAW = "raw/"


class RunInput(StrictModel):
    """An execution input with its defaults filled in."""

    source_uri: Annotated[str, Field(description="an s3:// URI under raw/ of the project's bucket")]
    scheduled_time: Annotated[str, Field(description="ISO 8601 with a time zone, like 2026-11-21T06:00:00Z")]

    @field_validator("scheduled_time")
    @classmethod
    def _is_an_instant(cls, value: str) -> str:
        parse_instant(value)
        return value


SomeInput = TypeVar("SomeInput", bound=RunInput)


def parse_run_input(
    given: Any, model: type[SomeInput], execution: Execution, defaults: Mapping[str, Any]
) -> SomeInput:
    """The execution's input as a `model`, a late run keeping its scheduled date. Raises `InvalidInput`."""
    if not isinstance(given, dict):
        return parse_input(given, model, "Execution input")  # raises: it is no object
    filled = {"scheduled_time": execution.start_time, **defaults, **given}
    return parse_input(filled, model, "Execution input")


def within(uri: str, key: str, bucket: str, prefix: str) -> S3Uri:
    """The URI, which must lie under the prefix. Raises `InvalidInput` naming the input's `key`."""
    allowed = f"give an s3:// URI under s3://{bucket}/{prefix}"
    try:
        parsed = S3Uri.parse(uri)
    except ValueError as error:
        raise InvalidInput(
            f"Execution input: key '{key}' is {describe_value(uri)} and {error}, {allowed}."
        ) from None
    if parsed.bucket != bucket or not parsed.key.startswith(prefix):
        raise InvalidInput(f"Execution input: key '{key}' is {describe_value(uri)}, {allowed}.")
    return parsed


def require_source(s3: Client, source: S3Uri) -> None:
    """Raises `SourceNotFound` where neither an object nor a folder of objects is."""
    if not (storage.object_exists(s3, source) or storage.prefix_has_objects(s3, source)):
        raise SourceNotFound(f"No object and no files at {source}: upload the table or correct source_uri.")
