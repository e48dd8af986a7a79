"""The alarms that Terraform's `alarms.json` files describe, each met with the things there are.

`terraform/04_serving/alarms.json` has those that take an update of prod back, one entry each.
`terraform/06_orchestration_observability/alarms.json` has kinds of alarms (`metric`), each for all `things`
of its kind, and alarms made of those (`composite`). `<thing>` stands for a thing's value, in a rule for the
beginning of its alarms' names. An alarm tells people only where nobody else does: one failure, one message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.stack.base import Stack

GUARDS = "terraform/04_serving/alarms.json"
ALARMS = "terraform/06_orchestration_observability/alarms.json"
RULES = "events/rules.json"
SCHEDULES = "events/schedules.json"

THING = "<thing>"
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Alarm:
    """One alarm. `kind` is the file's, or "guard"; `value` what `<thing>` stands for in its dimensions."""

    name: str
    deployed_name: str
    kind: str
    thing: str
    value: str
    settings: Settings

    @property
    def is_composite(self) -> bool:
        return "rule" in self.settings

    @property
    def tells_people(self) -> bool:
        return bool(self.settings["tells_people"])

    @property
    def description(self) -> str:
        """What people read: what is wrong, what to type next, where it says more."""
        runbook = self.settings.get("runbooks", {}).get(self.thing) or self.settings.get("runbook")
        said = {"Next": self.settings.get("next"), "Runbook": runbook}
        lines = [f"{word}: {text.replace(THING, self.value)}" for word, text in said.items() if text]
        return "\n".join([self.settings["description"], *lines])

    @property
    def dimensions(self) -> dict[str, str]:
        return {name: text.replace(THING, self.value) for name, text in self.settings["dimensions"].items()}

    @property
    def periods(self) -> int:
        of_thing = self.settings.get("periods_of", {})
        return int(of_thing[self.thing] if of_thing else self.settings["periods"])


def alarms(stack: Stack) -> list[Alarm]:
    """Every alarm of the project, those that others are made of first."""
    return [*_guards(stack), *_metric_alarms(stack), *_composite_alarms(stack)]


def _guards(stack: Stack) -> Iterator[Alarm]:
    for key, settings in stack.render(GUARDS).items():
        value = settings["dimensions"]["EndpointName"]
        yield Alarm(_short(key), stack.names[f"{key}_alarm"], "guard", "prod", value, settings)


def _metric_alarms(stack: Stack) -> Iterator[Alarm]:
    for kind, group in stack.render(ALARMS)["metric"].items():
        things = group.get("things") or functions_of(stack)[kind]
        for thing, value in things.items():
            for name, settings in group["alarms"].items():
                whole = {**settings, "dimensions": group["dimensions"]}
                yield Alarm(*_names(stack, thing, name), kind, thing, value, whole)


def _composite_alarms(stack: Stack) -> Iterator[Alarm]:
    document = stack.render(ALARMS)
    for kind, group in document["composite"].items():
        for thing in document["metric"][kind]["things"]:
            for name, settings in group.items():
                yield Alarm(*_names(stack, thing, name), kind, thing, prefix(stack, thing), settings)


def functions_of(stack: Stack) -> dict[str, dict[str, str]]:
    """The deployed functions: those that a state machine calls, and those that a rule or schedule does."""
    callers = [*stack.read(RULES).values(), *stack.read(SCHEDULES).values()]
    alone = {caller["function"] for caller in callers if "function" in caller}
    deployed = {name: stack.names.function(name) for name in stack.functions["functions"]}
    return {
        "machine_function": {name: value for name, value in deployed.items() if name not in alone},
        "lone_function": {name: value for name, value in deployed.items() if name in alone},
    }


def prefix(stack: Stack, thing: str) -> str:
    """What the deployed names of a thing's alarms begin with."""
    return f"{stack.names.project}-{stack.names.env}-{_short(thing)}"


def _names(stack: Stack, thing: str, alarm: str) -> tuple[str, str]:
    """Short and deployed."""
    return f"{_short(thing)}-{alarm}", f"{prefix(stack, thing)}-{alarm}"


def _short(name: str) -> str:
    return name.replace("_", "-")
