"""What CloudWatch says of the alarms that guard an update, asked as the endpoint's execution role."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud import credentials
from localcloud.sagemaker.transfer import words

SESSION = "SageMaker-Deployment"


class AlarmsUnknown(Exception):
    """An alarm that is not there, or may not be read."""


class Alarms:
    def __init__(self, client: Callable[[str, str], Any] | None = None) -> None:
        """`client` makes a CloudWatch client of (role, session name)."""
        self._client = client or (lambda role, session: credentials.client("cloudwatch", role, session))

    def watch(self, names: Sequence[str], role: str) -> Watch:
        """Raises `AlarmsUnknown`."""
        watch = Watch(self._client(role, SESSION) if names else None, names)
        watch.tripped()
        return watch


class Watch:
    """The alarms of one update."""

    def __init__(self, cloudwatch: Any, names: Sequence[str]) -> None:
        self._cloudwatch, self._names = cloudwatch, names

    def tripped(self) -> list[str]:
        """The names of those that are in ALARM. Raises `AlarmsUnknown`."""
        if not self._names:
            return []
        try:
            found = self._cloudwatch.describe_alarms(
                AlarmNames=list(self._names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
            )
        except (ClientError, BotoCoreError) as error:
            raise AlarmsUnknown(
                f"The alarms of AutoRollbackConfiguration cannot be read: {words(error)}"
            ) from error
        states = {
            alarm["AlarmName"]: alarm["StateValue"]
            for kind in ("MetricAlarms", "CompositeAlarms")
            for alarm in found.get(kind, [])
        }
        missing = [name for name in self._names if name not in states]
        if missing:
            raise AlarmsUnknown(f"Alarms of AutoRollbackConfiguration do not exist: {', '.join(missing)}")
        return [name for name in self._names if states[name] == "ALARM"]
