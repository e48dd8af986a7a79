"""What IAM judged since the cloud started: who asked for what, and which statement of the role decided.

`plugins/iam.py` writes the file while IAM is enforced, a line of JSON for each judged call of a role.
Whoever holds every permission is not judged, and so not here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "judgements.jsonl"


@dataclass(frozen=True)
class Judgement:
    """One judged call. `statement`: the Sid of the role's statement that decided; "" where there is none."""

    principal: str
    action: str
    resource: str
    statement: str
    allowed: bool

    @property
    def role(self) -> str:
        """Name of the role: arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION."""
        return self.principal.split("/")[1]

    @property
    def session(self) -> str:
        """Name of the session in which the role was assumed."""
        return self.principal.split("/")[2]

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def read_judgements(home: Path) -> Iterator[Judgement]:
    """Every call that was judged since the cloud of this home started, oldest first."""
    if not (home / FILE).exists():
        return
    with (home / FILE).open(encoding="utf-8") as lines:
        for line in lines:
            yield Judgement(**json.loads(line))
