"""Parameters of a pipeline: declared with a type in the definition, given as strings to each execution."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.sagemaker.errors import ValidationError
from localcloud.sagemaker.expressions import ExpressionError

_MISSING = object()
_BOOLEANS = {"true": True, "false": False}

_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "String": str,
    "Integer": int,
    "Float": float,
    "Boolean": lambda text: _BOOLEANS[text.lower()],
}
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (float, int),
    "Boolean": (bool,),
}


@dataclass(frozen=True)
class Parameter:
    """One declaration. `default` is typed; `choices` is empty where any value will do."""

    name: str
    type: str
    default: Any = _MISSING
    choices: tuple[Any, ...] = ()

    @property
    def required(self) -> bool:
        return self.default is _MISSING

    def read(self, text: str) -> Any:
        """The typed value of what an execution was given; raises `ValidationError`."""
        try:
            value = _FROM_TEXT[self.type](text)
        except (ValueError, KeyError):
            raise ValidationError(
                f"Parameter {self.name} must be of type {self.type}, not {text!r}"
            ) from None
        if self.choices and value not in self.choices:
            raise ValidationError(f"Parameter {self.name} must be one of {list(self.choices)}, not {text!r}")
        return value


def parse_parameters(written: Sequence[Mapping[str, Any]]) -> dict[str, Parameter]:
    """The declarations of a definition; raises `ExpressionError`, which `definition.parse` reports."""
    parsed: dict[str, Parameter] = {}
    for item in written:
        parameter = Parameter(
            item["Name"],
            item["Type"],
            item.get("DefaultValue", _MISSING),
            tuple(item.get("EnumValues") or ()),
        )
        if parameter.name in parsed:
            raise ExpressionError(f"two parameters are called {parameter.name}")
        _check(parameter)
        parsed[parameter.name] = parameter
    return parsed


def values(declared: Mapping[str, Parameter], given: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The typed value of each parameter of an execution; raises `ValidationError`."""
    texts = {item["Name"]: item["Value"] for item in given}
    unknown = sorted(texts.keys() - declared.keys())
    if unknown:
        raise ValidationError(f"Unknown pipeline parameters {unknown}: the pipeline has {sorted(declared)}")
    missing = sorted(name for name, p in declared.items() if p.required and name not in texts)
    if missing:
        raise ValidationError(f"Pipeline parameters {missing} have no default value and must be given")
    return {name: p.read(texts[name]) if name in texts else p.default for name, p in declared.items()}


def _check(parameter: Parameter) -> None:
    if parameter.type not in _FROM_TEXT:
        raise ExpressionError(f"parameter {parameter.name} has the unknown type {parameter.type!r}")
    for value in (*parameter.choices, *(() if parameter.required else (parameter.default,))):
        wanted = _PYTHON_TYPES[parameter.type]
        if not isinstance(value, wanted) or (parameter.type != "Boolean" and isinstance(value, bool)):
            raise ExpressionError(f"parameter {parameter.name}: {value!r} is no {parameter.type}")
