"""What every List operation does: filter, order, cut into pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from localcloud.sagemaker.errors import ValidationError
from localcloud.sagemaker.times import seconds

Item = Mapping[str, Any]

DEFAULT_PAGE = 100


def page(
    items: Sequence[Any], parameters: Item, default_size: int = DEFAULT_PAGE
) -> tuple[list[Any], dict[str, str]]:
    """The items of this page, and `{"NextToken": …}` when more follow. Raises on a token not ours."""
    start = _position(parameters.get("NextToken"))
    end = start + (parameters.get("MaxResults") or default_size)
    token = {"NextToken": base64.b64encode(str(end).encode()).decode()} if end < len(items) else {}
    return list(items[start:end]), token


def order(items: Sequence[Any], key: Callable[[Any], Any], sort_order: str | None, default: str) -> list[Any]:
    """Sorted as `SortOrder` says; equal keys keep the order they came in."""
    descending = (sort_order or default) == "Descending"
    ordered = sorted(items, key=key)
    return ordered[::-1] if descending else ordered


def within(value: float, parameters: Item, field: str) -> bool:
    """Whether a time lies between `<field>After` and `<field>Before`, where they are given."""
    after, before = parameters.get(f"{field}After"), parameters.get(f"{field}Before")
    return (after is None or value > seconds(after)) and (before is None or value < seconds(before))


def _position(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(token, validate=True))
    except (binascii.Error, ValueError):
        raise ValidationError(f"Invalid NextToken: {token}") from None
