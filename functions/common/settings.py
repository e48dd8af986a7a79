"""Settings from the function's environment, as `functions.json` gives it: one variable per field."""

from __future__ import annotations

import os
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from functions.common.errors import InvalidSettings


class Settings(BaseModel):
    """What every function knows. A function adds its own fields; `DATA_BUCKET` fills `data_bucket`."""

    model_config = ConfigDict(frozen=True)

    env: str
    data_bucket: str


SomeSettings = TypeVar("SomeSettings", bound=Settings)


def read_settings(model: type[SomeSettings]) -> SomeSettings:
    """Called once per process, by the cached `settings()` of a handler. Raises `InvalidSettings`."""
    present = {name: os.environ[name.upper()] for name in model.model_fields if os.environ.get(name.upper())}
    try:
        return model.model_validate(present)
    except ValidationError as error:
        names = ", ".join(str(problem["loc"][0]).upper() for problem in error.errors())
        raise InvalidSettings(
            f"The function's environment has no usable {names}: deploy it from functions/functions.json."
        ) from None
