from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import notebooks

SCRIPT = """\
\"\"\"Not of any cell.\"\"\"
# %% [markdown]
# # A title
#
# Some words.

# %%
one = 1


def two() -> int:
    return 2


# %%
print(one + two())
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script in a folder of workshops of its own."""
    monkeypatch.setattr(notebooks, "WORKSHOPS", tmp_path)
    path = tmp_path / "adding.py"
    path.write_text(SCRIPT)
    return path


@pytest.mark.parametrize("committed", sorted(notebooks.WORKSHOPS.glob("*.py")), ids=lambda path: path.stem)
def test_a_committed_notebook_is_what_its_script_says(committed: Path) -> None:
    assert notebooks.is_up_to_date(committed), "run `make notebooks`"


def test_there_is_a_script_behind_every_notebook() -> None:
    assert [path.with_suffix(".py").exists() for path in notebooks.WORKSHOPS.glob("*.ipynb")] == [True]


def test_text_loses_its_comment_marks_and_code_its_outer_blank_lines(script: Path) -> None:
    text, first, second = json.loads(notebooks.render(script))["cells"]
    assert (text["cell_type"], "".join(text["source"])) == ("markdown", "# A title\n\nSome words.")
    assert "".join(first["source"]) == "one = 1\n\n\ndef two() -> int:\n    return 2"
    assert "".join(second["source"]) == "print(one + two())"


def test_a_notebook_holds_no_outputs_and_names_its_cells(script: Path) -> None:
    cells = json.loads(notebooks.render(script))["cells"]
    assert [cell["id"] for cell in cells] == ["cell-0", "cell-1", "cell-2"]
    assert [cell["outputs"] for cell in cells if cell["cell_type"] == "code"] == [[], []]


def test_writes_once_and_then_nothing(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert notebooks.main([]) == 0
    assert capsys.readouterr().out == "adding.ipynb is written\n"
    assert notebooks.main([]) == 0
    assert capsys.readouterr().out == ""


def test_check_names_a_notebook_that_is_missing_or_was_changed_by_hand(
    script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert notebooks.main(["--check"]) == 1
    assert not script.with_suffix(".ipynb").exists()
    notebooks.main([])
    assert notebooks.main(["--check"]) == 0
    script.with_suffix(".ipynb").write_text("{}")
    assert notebooks.main(["--check"]) == 1
    assert "adding.ipynb differs from its script: run `make notebooks`" in capsys.readouterr().out
