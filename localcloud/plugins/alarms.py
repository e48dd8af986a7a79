"""Metric alarms as CloudWatch judges them; MiniStack leaves out what an alarm needs to be right.

- an alarm watches the metric with its own dimensions, not every metric of that name;
- each period is judged by itself, and `DatapointsToAlarm` of the last `EvaluationPeriods` must breach;
- periods without data are treated as `TreatMissingData` says, so an alarm can end;
- an alarm is judged when somebody looks at it, too, and every few seconds, not only when data comes in; a
  state set by hand (`SetAlarmState`) lasts for a period, until when CloudWatch would judge the alarm again;
- who asks by the Query protocol, as Terraform does, is told everything about an alarm, not a part.

Periods are counted back from now instead of from whole minutes. Registration points:
`cloudwatch._evaluate_alarm`, `_describe_alarms`, `_set_alarm_state`.
"""

from __future__ import annotations

import itertools
import json
import logging
import operator
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from localcloud.query_protocol import operation, to_xml
from localcloud.settings import settings

logger = logging.getLogger("localcloud.alarms")

JUDGED_EVERY_SECONDS = 10.0

Alarm = dict[str, Any]
Point = dict[str, Any]

_BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_DESCRIBE_ALARMS = partial(operation, "cloudwatch", "DescribeAlarms")
_held: dict[str, float] = {}  # until when states set by hand last, by alarm
_ahead: dict[str, float] = {}  # seconds from now as of which alarms are judged, by alarm: see `what_if`
_judging = threading.RLock()  # so that a change of state is seen, and told, once
_MISSING_IS = {"breaching": True, "notBreaching": False}  # otherwise a period without data is left out


def judge(original: Callable[[Alarm], None]) -> Callable[[Alarm], None]:
    """Wraps `_evaluate_alarm`. Alarms on expressions or bands stay MiniStack's."""

    def evaluate(alarm: Alarm) -> None:
        if alarm.get("ExtendedStatistic"):
            alarm.pop("Statistic", None)  # MiniStack gives a percentile's alarm an average as well
        if time.time() < _held.get(alarm["AlarmArn"], 0):
            return
        with _judging:
            if alarm.get("MetricName") and alarm.get("ComparisonOperator") in _BREACHES:
                moment = time.time() + _ahead.get(alarm["AlarmName"], 0.0)
                _move(alarm, *verdict(alarm, _points(alarm), moment))
            else:
                original(alarm)

    return evaluate


def judge_first(describe: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps `_describe_alarms`."""

    def describe_alarms(*request: Any) -> Any:
        from ministack.services import cloudwatch

        cloudwatch._evaluate_all_alarms()
        return describe(*request)

    return describe_alarms


def tell_everything(describe: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps `_describe_alarms`: an answer in XML is made from the complete one in JSON."""

    def describe_alarms(params: Any, given: Any, is_cbor: bool, is_json: bool = False) -> Any:
        from ministack.services import cloudwatch

        if is_cbor or is_json:
            return describe(params, given, is_cbor, is_json)
        status, _headers, body = describe({}, _asked(params), False, True)
        if status >= 400:
            return describe(params, given, is_cbor, is_json)
        members = to_xml(_DESCRIBE_ALARMS().output_shape, json.loads(body))
        result = f"<DescribeAlarmsResult>{members}</DescribeAlarmsResult>"
        return cloudwatch._xml(200, "DescribeAlarmsResponse", result)

    return describe_alarms


def _asked(params: Any) -> dict[str, Any]:
    """The parameters of a Query request in the form that JSON requests have."""
    from ministack.services import cloudwatch

    shapes = _DESCRIBE_ALARMS().input_shape.members
    lists = [name for name, shape in shapes.items() if shape.type_name == "list"]
    asked: dict[str, Any] = {
        name: found for name in shapes if name not in lists and (found := cloudwatch._p(params, name))
    }
    for name in lists:
        numbered = (cloudwatch._p(params, f"{name}.member.{number}") for number in itertools.count(1))
        asked[name] = list(itertools.takewhile(bool, numbered))
    return asked


def hold(set_state: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps `_set_alarm_state`."""

    def set_alarm_state(params: Any, given: Any, *encoding: Any, **options: Any) -> Any:
        from ministack.services import cloudwatch

        name = given.get("AlarmName") or cloudwatch._p(params, "AlarmName")
        alarm = cloudwatch._alarms.get(name)
        if alarm:
            _held[alarm["AlarmArn"]] = time.time() + alarm["Period"]
        return set_state(params, given, *encoding, **options)

    return set_alarm_state


def look_ahead(names: Iterable[str], seconds: float) -> None:
    """From now on these alarms are judged as of so many seconds later; 0: as of now again."""
    from ministack.services import cloudwatch

    for name in names:
        _ahead[name] = seconds
    cloudwatch._evaluate_all_alarms()


class Judge:
    """Judges all alarms every few seconds: silence brings no data that would have them judged."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="alarms", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        from ministack.core.responses import set_request_account_id, set_request_region
        from ministack.services import cloudwatch

        set_request_account_id(settings().account_id)
        set_request_region(settings().region)
        while not self._stopped.wait(JUDGED_EVERY_SECONDS):
            try:
                cloudwatch._evaluate_all_alarms()
            except Exception:
                logger.exception("alarms could not be judged")


judge_on_its_own = Judge()


def verdict(alarm: Alarm, points: Iterable[Point], now: float) -> tuple[str, str]:
    """The state that an alarm should be in at `now`, and why; points are MiniStack's."""
    judged = [_breach(alarm, period) for period in _periods(alarm, points, now)]
    missing = _MISSING_IS.get(alarm.get("TreatMissingData", "missing"))
    known = [
        breach
        for breach in (missing if breach is None else breach for breach in judged)
        if breach is not None
    ]
    if not known:
        silent = alarm["StateValue"] if alarm.get("TreatMissingData") == "ignore" else "INSUFFICIENT_DATA"
        return silent, "Insufficient Data: no datapoints were received"
    wanted = alarm.get("DatapointsToAlarm") or len(judged)
    # Periods without data that count for nothing cannot keep an alarm from going off.
    breaching = sum(known)
    state = "ALARM" if breaching >= min(wanted, len(known)) else "OK"
    compared = f"{alarm['ComparisonOperator']} {alarm['Threshold']}"
    return state, f"Threshold Crossed: {breaching} of the last {len(judged)} periods were {compared}"


def install() -> None:
    from ministack.services import cloudwatch

    cloudwatch._evaluate_alarm = judge(cloudwatch._evaluate_alarm)
    cloudwatch._describe_alarms = judge_first(tell_everything(cloudwatch._describe_alarms))
    cloudwatch._set_alarm_state = hold(cloudwatch._set_alarm_state)


def _points(alarm: Alarm) -> list[Point]:
    from ministack.services import cloudwatch

    dimensions = {dimension["Name"]: dimension["Value"] for dimension in alarm.get("Dimensions") or []}
    key = (alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(dimensions))
    return list(cloudwatch._metrics.get(key) or [])


def _periods(alarm: Alarm, points: Iterable[Point], now: float) -> list[list[Point]]:
    """The points of each of the periods to judge, the last period first."""
    length, count = alarm["Period"], alarm["EvaluationPeriods"]
    periods: list[list[Point]] = [[] for _ in range(count)]
    for point in points:
        number = int((now - point["Timestamp"]) // length)
        if number < count:
            periods[max(number, 0)].append(point)
    return periods


def _breach(alarm: Alarm, points: list[Point]) -> bool | None:
    """Whether a period breaches the threshold; None for one without data."""
    from ministack.services import cloudwatch

    statistics = cloudwatch._calc_stats(points)
    if not statistics:
        return None
    name = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    value = cloudwatch._stat_value(statistics, name, points)
    return None if value is None else bool(_BREACHES[alarm["ComparisonOperator"]](value, alarm["Threshold"]))


def _move(alarm: Alarm, state: str, reason: str) -> None:
    from ministack.services import cloudwatch

    old = alarm["StateValue"]
    if state == old:
        return
    alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
    cloudwatch._record_history(alarm["AlarmName"], old, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)
