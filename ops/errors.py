"""What the operator's command may say when it cannot do what was asked.

    OpsError            exit 1   says what happened, where, and what to do next
    ├── RunNotFound
    ├── RunNotFinished
    ├── ScheduleNotFound
    ├── VersionNotFound
    ├── EndpointNotFound
    ├── EndpointBusy             it is being changed already
    ├── NothingToRollBackTo
    ├── GateClosed               nobody waits for an answer, or not any more
    ├── ModelRefused             the model behind an endpoint did not answer
    ├── PriceUnknown             the price table lacks what the project uses
    ├── RegionNotPriced          the price table lacks the region
    ├── DrillImpossible          the alarm cannot be provoked here, or not now
    ├── DrillFailed              it was provoked and stayed silent: the alarm is at fault
    ├── MonitoringFailed         a day's requests could not be compared
    ├── NotDeployed              the cloud answers, the project is not in it
    ├── Refused                  the cloud answered no: permissions, throttling, a bad request
    ├── NoCloud         exit 3   none chosen, none reachable, or no usable credentials
    └── UsageError      exit 64  the command line itself is wrong

`ops.cli.main` prints them as one paragraph and turns them into exit codes.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command, documented in `titanic --help`."""

    OK = 0
    FAILED = 1
    NO_MODEL = 2
    NO_CLOUD = 3
    USAGE = 64
    INTERRUPTED = 130
    TERMINATED = 143


class OpsError(Exception):
    """A failure a person can act on: its text is all they get to see."""

    exit_code = ExitCode.FAILED


class RunNotFound(OpsError):
    """No execution and no manifest bears the given run id."""


class RunNotFinished(OpsError):
    """The run goes on, and what was asked for is known at its end."""


class ScheduleNotFound(OpsError):
    """No schedule of the project bears the given name."""


class VersionNotFound(OpsError):
    """The registry has no such model version."""


class EndpointNotFound(OpsError):
    """No endpoint bears the given name."""


class EndpointBusy(OpsError):
    """The endpoint is being changed, and takes one change at a time."""


class NothingToRollBackTo(OpsError):
    """The endpoint has served nothing else before, or it is not known what."""


class GateClosed(OpsError):
    """The promotion does not wait for a person: not yet, or not any more."""


class ModelRefused(OpsError):
    """The model behind an endpoint answered with an error."""


class PriceUnknown(OpsError):
    """The price table has no such type of instance or worker."""


class RegionNotPriced(OpsError):
    """The price table has no column for the region."""


class DrillImpossible(OpsError):
    """What a drill would have to break is not there, or must not be broken."""


class DrillFailed(OpsError):
    """What an alarm watches has happened, and it did not turn red or nobody was told."""


class MonitoringFailed(OpsError):
    """The monitoring job failed, or was refused."""


class NotDeployed(OpsError):
    """The cloud is there, the project's resources are not."""


class Refused(OpsError):
    """An AWS API answered with an error of its own."""


class NoCloud(OpsError):
    """There is no cloud to talk to."""

    exit_code = ExitCode.NO_CLOUD


class UsageError(OpsError):
    """What was typed cannot be understood."""

    exit_code = ExitCode.USAGE
