"""The XML in which services of the Query protocol answer, made from the service's own model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from html import escape
from typing import Any

import botocore.session
from botocore.model import ListShape, OperationModel, Shape, StructureShape


@cache
def operation(service: str, name: str) -> OperationModel:
    """The operation as botocore knows it: `cloudwatch`, `DescribeAlarms`."""
    model = botocore.session.Session().get_service_model(service)
    return model.operation_model(name)


def to_xml(shape: Shape, value: Any) -> str:
    """What stands between the tags of a member; members that the shape does not know are left out."""
    if isinstance(shape, StructureShape):
        return "".join(_members(shape, value))
    if isinstance(shape, ListShape):
        return "".join(f"<member>{to_xml(shape.member, one)}</member>" for one in value)
    if shape.type_name == "boolean":
        return "true" if value else "false"
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return escape(str(value), quote=False)


def _members(shape: StructureShape, value: Mapping[str, Any]) -> Iterator[str]:
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield f"<{name}>{to_xml(member, value[name])}</{name}>"
