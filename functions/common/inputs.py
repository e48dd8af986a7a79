"""From an untrusted event to a typed model, with errors a person can act on."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from functions.common.errors import InvalidInput

LONGEST_VALUE = 80


class StrictModel(BaseModel):
    """Base of every event: unknown keys and wrong types fail; `Field(description=…)` says what is allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=BaseModel)


def parse_input(value: Any, model: type[Model], what: str) -> Model:
    """`value` as a `model`. Called first by every handler.

    `what` opens the message, e.g. "Execution input". Raises `InvalidInput` naming each wrong key.
    """
    if not isinstance(value, dict):
        raise InvalidInput(f"{what} is {_json_type(value)}: give an object with {_keys(model)}.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = "; ".join(_problem(problem, model) for problem in error.errors(include_url=False))
        raise InvalidInput(f"{what}: {problems}.") from None


def describe_value(value: Any) -> str:
    """`a string ('0.7')`: type and shortened value, for messages."""
    if value is None or isinstance(value, dict | list):
        return _json_type(value)
    text = json.dumps(value, ensure_ascii=False)
    shown = text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
    return f"{_json_type(value)} ({shown})"


def _problem(problem: Any, model: type[BaseModel]) -> str:
    path = problem["loc"]
    key = ".".join(str(part) for part in path)
    if problem["type"] == "extra_forbidden":
        return f"unknown key '{key}'{_suggestion(str(path[-1]), model)}, give only {_keys(model)}"
    allowed = _allowed(model, path)
    if problem["type"] == "missing":
        return f"key '{key}' is missing, give {allowed or 'it'}"
    expected = f"give {allowed}" if allowed else str(problem["msg"])
    return f"key '{key}' is {describe_value(problem['input'])}, {expected}"


def _allowed(model: Any, path: tuple[int | str, ...]) -> str | None:
    description = None
    for part in path:
        fields = getattr(model, "model_fields", {})
        if part not in fields:
            return None
        description, model = fields[part].description, fields[part].annotation
    return description


def _suggestion(key: str, model: type[BaseModel]) -> str:
    close = get_close_matches(key, model.model_fields, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _keys(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields)


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", str: "a string", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "an object")
