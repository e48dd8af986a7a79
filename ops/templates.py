"""Fills the `${placeholders}` of the files that Terraform reads too.

`string.Template` cannot: it reads the `$.path` and `$$.Execution` of the states language, and the `$@` of a
shell line, as its own. What this accepts is what Terraform's `templatefile()` accepts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


class MissingValue(Exception):
    """A template names placeholders for which no value was given."""


def placeholders(path: Path) -> frozenset[str]:
    """Names of the `${Name}` in the file."""
    return frozenset(_PLACEHOLDER.findall(path.read_text(encoding="utf-8")))


def render(path: Path, values: Mapping[str, str]) -> Any:
    """The JSON document in `path` with every placeholder replaced; values it does not use are ignored.

    Raises `MissingValue` when one has no value: a literal `${Name}` in a deployed definition would only
    fail at run time, in the state that uses it.
    """
    missing = placeholders(path) - values.keys()
    if missing:
        raise MissingValue(
            f"{path} needs {', '.join(sorted(missing))}; known are {', '.join(sorted(values))}"
        )
    text = _PLACEHOLDER.sub(
        lambda match: json.dumps(values[match[1]])[1:-1], path.read_text(encoding="utf-8")
    )
    return json.loads(text)
