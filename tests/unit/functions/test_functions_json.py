"""What `functions.json` says must be what the code is: a handler, its settings, its clients."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from functions.common.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
DESCRIPTION: dict[str, Any] = json.loads((ROOT / "functions" / "functions.json").read_text(encoding="utf-8"))
NAMES = sorted(DESCRIPTION["functions"])
# What the Lambda runtime and the Powertools layer bring, and what those need themselves.
ALLOWED = {
    "annotated_types",
    "aws_lambda_powertools",
    "aws_xray_sdk",
    "boto3",
    "botocore",
    "certifi",
    "dateutil",
    "functions",
    "jmespath",
    "pydantic",
    "pydantic_core",
    "s3transfer",
    "six",
    "typing_extensions",
    "typing_inspection",
    "urllib3",
    "wrapt",
}
LIST_IMPORTS = """
import importlib, sys
before = set(sys.modules)
importlib.import_module(sys.argv[1])
known = set(sys.stdlib_module_names)
imported = {name.partition(".")[0] for name in set(sys.modules) - before} - known
print(*sorted(name for name in imported if not name.startswith("_")))
"""


def test_every_folder_with_a_handler_is_listed() -> None:
    assert [path.parent.name for path in sorted((ROOT / "functions").glob("*/handler.py"))] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_environment_gives_exactly_what_the_settings_read(name: str) -> None:
    module = importlib.import_module(f"functions.{name}.handler")
    given = DESCRIPTION["defaults"]["environment"] | DESCRIPTION["functions"][name].get("environment", {})
    ours = {key for key in given if not key.startswith(("AWS_", "POWERTOOLS_"))}
    if hasattr(module, "settings"):
        model = next(
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Settings) and value.__name__.endswith("Settings")
        )
        assert ours == {field.upper() for field in model.model_fields}
    else:
        assert ours == {field.upper() for field in Settings.model_fields}


@pytest.mark.parametrize("name", NAMES)
def test_a_function_is_described_and_stays_within_what_lambda_allows(name: str) -> None:
    function = DESCRIPTION["functions"][name]
    assert 20 < len(function["description"]) <= 256
    assert function.get("timeout", DESCRIPTION["defaults"]["timeout"]) <= 900


@pytest.mark.parametrize("name", NAMES)
def test_importing_a_handler_needs_only_what_lambda_has(name: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", LIST_IMPORTS, f"functions.{name}.handler"],
        cwd=ROOT,
        env={"POWERTOOLS_TRACE_DISABLED": "true"},  # no credentials, no region, none of our settings
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(finished.stdout.split()) <= ALLOWED
