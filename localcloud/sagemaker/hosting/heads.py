"""What an HTTP message begins with, read alike at both ends of the way to an instance."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache


@lru_cache(maxsize=256)
def read_head(head: bytes) -> tuple[list[str], Mapping[str, str]]:
    """The words of the first line and the headers by lower-case name; most messages have the same ones."""
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    return first.split(" "), headers
