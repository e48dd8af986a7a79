"""Requests judged by botocore's model of the service, so what AWS refuses is refused here too.

botocore itself checks types and required members only; patterns, enumerations and upper bounds are in
the same model and are checked here, in the words AWS uses. Unlike AWS, which ignores them, unknown
members are refused: locally they can only be typing errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from localcloud.sagemaker.errors import ApiError, ValidationError

Predicate = Callable[[Any], bool]

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float, str),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
}


class UnknownOperation(ApiError):
    code, status = "UnknownOperationException", 400


class WrongType(Exception):
    """A JSON value of another type than the member's; AWS stops at the first one."""


@cache
def service_model() -> Any:
    """botocore's SageMaker service model."""
    import botocore.session

    return botocore.session.get_session().get_service_model("sagemaker")


def input_shape(operation: str) -> Any:
    """The shape of an operation's request. Raises `UnknownOperation`."""
    model = service_model()
    if operation not in model.operation_names:
        raise UnknownOperation(f"The requested operation {operation} is not recognized by the service.")
    return model.operation_model(operation).input_shape


def output_shape(operation: str) -> Any:
    """The shape of an operation's answer."""
    return service_model().operation_model(operation).output_shape


def validate(operation: str, parameters: Any) -> None:
    """Raises `ApiError` for a request that AWS would refuse."""
    shape = input_shape(operation)
    try:
        problems = list(violations(shape, parameters))
    except WrongType as error:
        raise ApiError(str(error), "SerializationException", 400) from None
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
        raise ValidationError(f"{count}: {'; '.join(problems)}")


def violations(
    shape: Any,
    value: Any,
    path: str = "",
    *,
    unresolved: Predicate = lambda _value: False,
    given: frozenset[str] = frozenset(),
) -> Iterator[str]:
    """What is wrong with `value`, each in AWS's words.

    `unresolved` tells values that are not known yet (expressions of a pipeline definition) and are
    accepted anywhere; `given` names members of the outermost structure that someone else will add.
    """
    if unresolved(value):
        return
    _check_type(shape, value, path)
    if shape.type_name == "structure":
        yield from _structure(shape, value, path, unresolved, given)
    elif shape.type_name == "list":
        yield from _length(shape, value, path)
        for number, item in enumerate(value, 1):
            yield from violations(shape.member, item, f"{path}.{number}.member", unresolved=unresolved)
    elif shape.type_name == "map":
        yield from _length(shape, value, path)
        for key, item in value.items():
            yield from violations(shape.key, key, f"{path}.{key}.key", unresolved=unresolved)
            yield from violations(shape.value, item, f"{path}.{key}.value", unresolved=unresolved)
    elif shape.type_name == "string":
        yield from _string(shape, value, path)
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _range(shape, value, path, value, "value")


def _structure(
    shape: Any, value: Mapping[str, Any], path: str, unresolved: Predicate, given: frozenset[str]
) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None and name not in given:
            yield _constraint(None, _join(path, name), "Member must not be null")
    for name, item in value.items():
        if name not in shape.members:
            yield f"Unknown parameter at '{_join(path, name)}': must be one of {', '.join(shape.members)}"
        elif item is not None:
            yield from violations(shape.members[name], item, _join(path, name), unresolved=unresolved)


def _string(shape: Any, value: str, path: str) -> Iterator[str]:
    yield from _length(shape, value, path)
    if shape.enum and value not in shape.enum:
        yield _constraint(value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not _matches(pattern, value):
        yield _constraint(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _length(shape: Any, value: Any, path: str) -> Iterator[str]:
    yield from _range(shape, len(value), path, value, "length")


def _range(shape: Any, number: float, path: str, value: Any, measure: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and number < least:
        yield _constraint(value, path, f"Member must have {measure} greater than or equal to {least}")
    if most is not None and number > most:
        yield _constraint(value, path, f"Member must have {measure} less than or equal to {most}")


def _check_type(shape: Any, value: Any, path: str) -> None:
    wanted = _PYTHON_TYPES.get(shape.type_name)
    if wanted is None or (
        isinstance(value, wanted) and (shape.type_name == "boolean") == isinstance(value, bool)
    ):
        return
    raise WrongType(
        f"{type(value).__name__} can not be converted to {shape.type_name} at '{path}': {value!r:.80}"
    )


def _matches(pattern: str, value: str) -> bool:
    compiled = _compile(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


@cache
def _compile(pattern: str) -> re.Pattern[str] | None:
    """None for the few patterns in Java's dialect (`\\p{L}`), which Python cannot read: not checked."""
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _constraint(value: Any, path: str, constraint: str) -> str:
    shown = "null" if value is None else repr(value) if isinstance(value, str) else f"'{value}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def _join(path: str, name: str) -> str:
    member = name[0].lower() + name[1:]
    return f"{path}.{member}" if path else member
