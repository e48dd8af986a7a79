"""Writes terraform/03_sagemaker_pipeline/pipeline_definition.json.tpl, or checks that it is up to date.

    python -m pipeline_definition.author            write the template
    python -m pipeline_definition.author --check    print the difference and exit 1 when there is one

Runs in the authoring environment (`make pipeline-definition`); the template is committed, so that nothing
else needs the SDK. It is JSON before its placeholders are filled in as well as after, which any editor and
test can read: hence every placeholder stands inside a string, and the one number that a deployment could
want to set, the default of AccuracyThreshold, is taken from project.json here. The state machine passes its
threshold with every execution; the default is for a pipeline started by hand.
"""

from __future__ import annotations

import argparse
import difflib
import json
import logging
import sys
import warnings
from collections.abc import Sequence

from ops.names import ROOT, Names, project_file
from pipeline_definition.placeholders import as_template

TEMPLATE = ROOT / "terraform" / "03_sagemaker_pipeline" / "pipeline_definition.json.tpl"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipeline_definition.author", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    authored = render()
    if parser.parse_args(argv).check:
        return check(authored)
    TEMPLATE.parent.mkdir(parents=True, exist_ok=True)
    TEMPLATE.write_text(authored, encoding="utf-8")
    sys.stdout.write(f"wrote {TEMPLATE.relative_to(ROOT)}\n")
    return 0


def check(authored: str) -> int:
    """0 when the committed template is what the code says, 1 after printing how it differs."""
    committed = TEMPLATE.read_text(encoding="utf-8") if TEMPLATE.exists() else ""
    name = str(TEMPLATE.relative_to(ROOT))
    difference = list(
        difflib.unified_diff(
            committed.splitlines(keepends=True), authored.splitlines(keepends=True), name, "as authored"
        )
    )
    if difference:
        sys.stdout.writelines(difference)
        sys.stderr.write(f"{name} differs from pipeline_definition/: run `make pipeline-definition`\n")
        return 1
    sys.stdout.write(f"{name} is up to date\n")
    return 0


def render() -> str:
    """The template's text. Takes seconds: the SDK is large."""
    warnings.simplefilter("ignore")  # each recorded request warns that no job was started
    logging.disable(logging.WARNING)  # and logs what it left out for the pipeline to fill in
    from pipeline_definition.definition import pipeline

    # The name is not part of a definition and only has to be some environment's.
    name = Names(env=project_file()["environments"][0], account_id="123456789012")["pipeline"]
    definition = pipeline(name, project_file()["thresholds"]["accuracy"]).definition()
    return as_template(json.dumps(json.loads(definition), indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
