"""What AWS has no API for and a drill needs: to have alarms judged as of a later moment, and data forgotten.

`X-Amz-Target: LocalCloud.<operation>`, JSON in and out:

- `JudgeAlarmsAhead {"AlarmNames": [...], "Seconds": N}`: what would these alarms say in N seconds, if nothing
  happened until then? They keep looking from there, actions and all, until told 0.
- `ForgetMetric {"Namespace", "MetricName", "Dimensions": {…}, "Since": <epoch seconds>}`: what was measured
  since then is gone, so that an alarm which a drill turned red is judged without the drill.
- `PublishMetrics {}`: what endpoints have counted is published now and not within a second.
- `HoldContainers {"EndpointName", "Seconds"}`: the endpoint's containers hang for so long.
- `KillContainers {"EndpointName", "Seconds"}`: they die so long after they are asked next, and are replaced.

Registration points: `app.SERVICE_HANDLERS`, `core.router.SERVICE_PATTERNS`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Mapping
from typing import Any

from localcloud.plugins.alarms import look_ahead
from localcloud.sagemaker.hosting.fleet import Fleet
from localcloud.sagemaker.service import control_plane

SERVICE, TARGET = "localcloud", "LocalCloud."
LONGEST_WAIT_SECONDS = 60.0

Response = tuple[int, dict[str, str], bytes]
Json = dict[str, Any]


def judge_alarms_ahead(request: Json) -> Json:
    look_ahead(request["AlarmNames"], float(request["Seconds"]))
    return {}


def forget_metric(request: Json) -> Json:
    from ministack.services import cloudwatch

    key = (request["Namespace"], request["MetricName"], cloudwatch._dims_key(request["Dimensions"]))
    points = cloudwatch._metrics.get(key) or []
    kept = [point for point in points if point["Timestamp"] < request["Since"]]
    if key in cloudwatch._metrics:
        cloudwatch._metrics[key] = kept
    cloudwatch._evaluate_all_alarms()
    return {"Forgotten": len(points) - len(kept)}


def publish_metrics(request: Json) -> Json:
    control_plane().endpoints.metrics.publish()
    return {}


def hold_containers(request: Json) -> Json:
    """Answers at once."""
    held = _containers(request["EndpointName"])
    _signal(held, signal.SIGSTOP)
    threading.Timer(float(request["Seconds"]), _signal, (held, signal.SIGCONT)).start()
    return {"Held": len(held)}


def kill_containers(request: Json) -> Json:
    """Answers at once."""
    name, seconds = request["EndpointName"], float(request["Seconds"])
    killed, fleet = _containers(name), _fleet(name)

    def kill() -> None:
        if fleet and fleet.wait_until_asked(LONGEST_WAIT_SECONDS):
            threading.Timer(seconds, _signal, (killed, signal.SIGKILL)).start()

    threading.Thread(target=kill, name=f"kill-{name}", daemon=True).start()
    return {"Killed": len(killed)}


OPERATIONS = {
    "JudgeAlarmsAhead": judge_alarms_ahead,
    "ForgetMetric": forget_metric,
    "PublishMetrics": publish_metrics,
    "HoldContainers": hold_containers,
    "KillContainers": kill_containers,
}


async def handle_request(
    method: str, path: str, headers: dict[str, str], body: bytes | str, query_params: Mapping[str, Any]
) -> Response:
    """MiniStack's handler."""
    name = headers.get("x-amz-target", "").removeprefix(TARGET)
    if name not in OPERATIONS:
        return _answer(400, {"message": f"There is no {name}; there are {', '.join(OPERATIONS)}"})
    try:
        return _answer(200, OPERATIONS[name](json.loads(body)))
    except (KeyError, TypeError, ValueError) as error:
        return _answer(400, {"message": f"{name} cannot read its request: {error!r}"})


def install() -> None:
    from ministack import app
    from ministack.core import router

    app.SERVICE_HANDLERS[SERVICE] = handle_request
    router.SERVICE_PATTERNS[SERVICE] = {"target_prefixes": [TARGET], "host_patterns": []}


def _containers(endpoint: str) -> list[int]:
    """The processes that serve an endpoint. Raises `ValueError` where there is none."""
    fleet = _fleet(endpoint)
    instances = fleet.instances if fleet else []
    found = [instance.process_id for instance in instances if instance.process_id]
    if not found:
        raise ValueError(f"no container serves the endpoint {endpoint}")
    return found


def _fleet(endpoint: str) -> Fleet | None:
    hosted = control_plane().endpoints.serving(endpoint)
    return hosted.fleet if hosted else None


def _signal(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):  # it died on its own
            os.kill(process, number)


def _answer(status: int, content: Json) -> Response:
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(content).encode()
