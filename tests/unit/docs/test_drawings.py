"""A state machine that is drawn in a document is drawn as it is: same states, same transitions.

A drawing is a Mermaid flowchart whose first line is `%% statemachines/<name>.asl.json`. A node's text, or its
id where it has none, is a state's name. An arrow from a box (`subgraph`) stands for what each task inside
does when it fails and has no dotted arrow of its own.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
MACHINES = {path.name: path for path in sorted((ROOT / "statemachines").glob("*.asl.json"))}

DRAWING = re.compile(
    r"^```mermaid\n%% statemachines/(?P<machine>\S+)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE
)
ARROW = re.compile(r"\s*(?P<dotted>-\.(?:.*?\.)?->)\s*|\s*--(?:[^->].*?--)?>\s*")
NODE = re.compile(r'(?P<id>\w+)(?:[\[({]+"(?P<text>[^"]+)"[\])}]+)?')
BOX = re.compile(r"subgraph (?P<id>\w+)")

Transition = tuple[str, str]


@dataclass
class Drawing:
    """What a flowchart says. Arrows are (from, to, dotted) by id; `boxes` has the ids drawn in each."""

    names: dict[str, str] = field(default_factory=dict)
    arrows: set[tuple[str, str, bool]] = field(default_factory=set)
    boxes: dict[str, set[str]] = field(default_factory=dict)

    @property
    def states(self) -> set[str]:
        return {name for node, name in self.names.items() if node not in self.boxes}

    def transitions(self, states: dict[str, Any]) -> set[Transition]:
        drawn = {(self.names[a], self.names[b]) for a, b, _ in self.arrows if a not in self.boxes}
        of_boxes = {
            (self.names[node], self.names[target])
            for box, target, _ in self.arrows
            if box in self.boxes
            for node in self.boxes[box]
            if states[self.names[node]]["Type"] == "Task" and not self._has_dotted_arrow(node)
        }
        return drawn | of_boxes

    def _has_dotted_arrow(self, node: str) -> bool:
        return any(source == node and dotted for source, _, dotted in self.arrows)


def read_drawing(body: str) -> Drawing:
    drawing, box = Drawing(), None
    for line in filter(None, map(str.strip, body.splitlines()[1:])):
        if opened := BOX.match(line):
            box = opened["id"]
            drawing.boxes[box] = set()
            drawing.names[box] = box
        elif line == "end":
            box = None
        else:
            nodes = read_line(line, drawing)
            if box:
                drawing.boxes[box] |= nodes
    return drawing


def read_line(line: str, drawing: Drawing) -> set[str]:
    """Adds a chain `A --> B -- words --> C` to the drawing; returns the ids it mentions."""
    arrows = list(ARROW.finditer(line))
    ends = [0, *(arrow.end() for arrow in arrows)]
    starts = [*(arrow.start() for arrow in arrows), len(line)]
    nodes = []
    for begin, finish in zip(ends, starts, strict=True):
        node = NODE.fullmatch(line[begin:finish].strip())
        assert node, f"no node: {line[begin:finish]!r} in {line!r}"
        nodes.append(node["id"])
        if node["text"] or node["id"] not in drawing.names:
            drawing.names[node["id"]] = node["text"] or node["id"]
    for source, target, arrow in zip(nodes, nodes[1:], arrows, strict=False):
        drawing.arrows.add((source, target, bool(arrow["dotted"])))
    return set(nodes)


def transitions_of(states: dict[str, Any]) -> set[Transition]:
    return {
        (name, target)
        for name, state in states.items()
        for target in (
            state.get("Next"),
            state.get("Default"),
            *(rule["Next"] for rule in [*state.get("Choices", []), *state.get("Catch", [])]),
        )
        if target
    }


def drawings() -> list[Any]:
    """(machine, body) of every drawing in the README and in docs/."""
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [
        pytest.param(found["machine"], found["body"], id=f"{document.name}-{found['machine']}")
        for document in documents
        for found in DRAWING.finditer(document.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(("machine", "body"), drawings())
def test_a_drawing_has_the_machines_states_and_no_other(machine: str, body: str) -> None:
    states = json.loads(MACHINES[machine].read_text(encoding="utf-8"))["States"]
    assert read_drawing(body).states == set(states)


@pytest.mark.parametrize(("machine", "body"), drawings())
def test_a_drawing_has_the_machines_transitions_and_no_other(machine: str, body: str) -> None:
    states = json.loads(MACHINES[machine].read_text(encoding="utf-8"))["States"]
    assert read_drawing(body).transitions(states) == transitions_of(states)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_machine_is_drawn(machine: str) -> None:
    drawn = {param.values[0] for param in drawings()}
    assert machine in drawn, f"draw it under a line `%% statemachines/{machine}`, in the README or in docs/"
