"""Writes the notebook beside each script in docs/workshop/, or checks that they are up to date.

    python -m scripts.notebooks            write the notebooks
    python -m scripts.notebooks --check    name those that differ from their script and exit 1

A script is what people edit and what tests run. A line `# %%` begins a cell of code, `# %% [markdown]` one of
text, whose lines are comments. A notebook is written without outputs, so it says the same on every machine.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ops.names import ROOT

WORKSHOPS = ROOT / "docs" / "workshop"
_CELL = re.compile(r"^# %%(?P<text> \[markdown\])?\n", re.MULTILINE)
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

Cell = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.notebooks", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args(argv).check
    different = [script for script in sorted(WORKSHOPS.glob("*.py")) if not is_up_to_date(script)]
    for script in different:
        if not check:
            notebook_of(script).write_text(render(script), encoding="utf-8")
        what = "differs from its script: run `make notebooks`" if check else "is written"
        sys.stdout.write(f"{notebook_of(script).name} {what}\n")
    return 1 if check and different else 0


def is_up_to_date(script: Path) -> bool:
    notebook = notebook_of(script)
    return notebook.is_file() and notebook.read_text(encoding="utf-8") == render(script)


def notebook_of(script: Path) -> Path:
    return script.with_suffix(".ipynb")


def render(script: Path) -> str:
    """The notebook's text, in the form of nbformat 4.5 and as Jupyter indents it."""
    notebook = {
        "cells": cells(script.read_text(encoding="utf-8")),
        "metadata": {"kernelspec": _KERNEL, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def cells(source: str) -> list[Cell]:
    """The cells of a script; what stands before the first one is dropped."""
    begins = list(_CELL.finditer(source))
    ends = [*(begin.start() for begin in begins[1:]), len(source)]
    return [
        _cell(number, source[begin.end() : end].strip("\n"), is_text=bool(begin["text"]))
        for number, (begin, end) in enumerate(zip(begins, ends, strict=True))
    ]


def _cell(number: int, body: str, *, is_text: bool) -> Cell:
    named = {"id": f"cell-{number}", "metadata": {}}
    if is_text:
        words = re.sub(r"^# ?", "", body, flags=re.MULTILINE)
        return {"cell_type": "markdown", **named, "source": words.splitlines(keepends=True)}
    code = {"execution_count": None, "outputs": [], "source": body.splitlines(keepends=True)}
    return {"cell_type": "code", **named, **code}


if __name__ == "__main__":
    sys.exit(main())
