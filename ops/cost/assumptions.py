"""What no file of the project says: how fast scripts are, how long AWS takes. Each with its reason."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("assumptions.json")


@cache
def assumption_file() -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return loaded


def assumed(name: str) -> float:
    return float(assumption_file()[name]["value"])
