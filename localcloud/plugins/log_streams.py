"""`FilterLogEvents` by the beginning of a stream's name, which MiniStack does not look at.

Registration point: `cloudwatch_logs._filter_log_events`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]

PREFIX, NAMES = "logStreamNamePrefix", "logStreamNames"


def filter_log_events(original: Callable[[Json], Response]) -> Callable[[Json], Response]:
    """Names the streams that begin so; MiniStack knows what to do with names."""

    def answer(data: Json) -> Response:
        from ministack.core.responses import error_response_json, json_response
        from ministack.services import cloudwatch_logs

        if not data.get(PREFIX):
            return original(data)
        if data.get(NAMES):
            message = f"{PREFIX} and {NAMES} cannot both be given"
            return error_response_json("InvalidParameterException", message, 400)  # type: ignore[no-any-return]
        group = cloudwatch_logs._log_groups.get(cloudwatch_logs._resolve_log_group_name(data))
        named = [name for name in group["streams"] if name.startswith(data[PREFIX])] if group else []
        if group and not named:  # no names at all would mean every stream
            return json_response({"events": [], "searchedLogStreams": []})  # type: ignore[no-any-return]
        return original({**data, NAMES: named})

    return answer


def install() -> None:
    from ministack.services import cloudwatch_logs

    cloudwatch_logs._filter_log_events = filter_log_events(cloudwatch_logs._filter_log_events)
