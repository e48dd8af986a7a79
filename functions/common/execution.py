"""The execution behind a run, as the context object tells of it."""

from __future__ import annotations

from typing import Any, Literal

from functions.common.inputs import StrictModel
from functions.common.instants import parse_instant
from functions.common.run_identity import RunIdentity, identify

Kind = Literal["training", "batch_inference", "promotion"]  # which machine a run belongs to


class Execution(StrictModel):
    """Recorders also get the execution's input."""

    id: str
    name: str
    start_time: str
    state_machine_id: str
    input: Any = None

    @property
    def run(self) -> RunIdentity:
        return identify(self.id, parse_instant(self.start_time), self.input)
