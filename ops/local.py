"""The local cloud of this checkout, as `up`, `down` and `demo` handle it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from localcloud.settings import DEFAULT_PORT
from ops.errors import OpsError, UsageError
from ops.names import ROOT

if TYPE_CHECKING:
    from localcloud.control import Cloud
    from ops.dataset import TitanicTables
    from ops.output import Output
    from ops.target import Target

RAW_KEY = "raw/titanic.csv"
NEW_PASSENGERS_KEY = "raw/new_passengers/held-out.csv"
EXAMPLES = "raw/examples"
_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Started:
    """A running cloud. One that is new is stopped at the end of the command, unless `keep` is set."""

    cloud: Cloud
    is_new: bool
    port_was_busy: bool = False
    keep: bool = False

    @property
    def words(self) -> str:
        where = f"{self.cloud.endpoint_url} (pid {self.cloud.pid}, state in {self.cloud.home})"
        if not self.is_new:
            return f"The local cloud is already running at {where}."
        busy = f" Port {DEFAULT_PORT} is in use by another program, so it took {self.cloud.port}."
        return f"The local cloud is running at {where}.{busy if self.port_was_busy else ''}"


def home() -> Path:
    """Where the local cloud keeps its state: `TITANIC_HOME`, else `.localcloud` in the checkout."""
    chosen = os.environ.get("TITANIC_HOME")
    return Path(chosen).expanduser().resolve() if chosen else ROOT / ".localcloud"


def running_endpoint() -> str | None:
    """Address of the cloud that runs for this home. Cheap when nothing was ever started here."""
    if not home().is_dir():
        return None
    from localcloud import control

    cloud = control.status(home())
    return cloud.endpoint_url if cloud else None


@contextmanager
def cloud(out: Output, *, port: int | None = None, enforce_iam: bool = False) -> Iterator[Started]:
    """The cloud of this home, started if none runs, and then stopped again however the block ends.

    Raises `UsageError` when one runs already but not as asked for, `OpsError` when it cannot start.
    """
    from localcloud import control

    running = control.status(home())
    if running:
        _refuse_other_wishes(running, port, enforce_iam)
        yield Started(running, is_new=False)
        return
    started: Started | None = None
    try:
        started = _start(port, enforce_iam)
        yield started
    finally:  # entered before the start, so that no moment for Ctrl-C leaves a server behind
        if not (started and started.keep) and stop():
            out.note(f"The local cloud is stopped; what it held is kept in {home()}.")


def stop() -> bool:
    """Stops this home's cloud; False when none runs. A second Ctrl-C does not hurry it into leaving jobs."""
    from localcloud import control

    with _undisturbed():
        try:
            return control.stop(home())
        except control.LocalCloudError as error:
            raise OpsError(_sentence(str(error))) from error


def target(cloud: Cloud, env: str) -> Target:
    """The local cloud as a target, whatever the environment says of other clouds."""
    from ops.target import LOCAL_CREDENTIALS, Choice, open_target

    return open_target(Choice(cloud.endpoint_url, credentials=LOCAL_CREDENTIALS), env)


def deploy(there: Target, out: Output) -> None:
    """Puts the project's resources into the local cloud, or brings them up to date."""
    from ops import stack

    with out.working("Deploying the project") as report:
        stack.deploy(stack.Stack(there.session, there.names), report)


def provide_tables(there: Target, out: Output) -> None:
    """Makes sure that there is something to read: for runs without a source, and for those of `events/`."""
    put_example_tables(there)
    for key, put in ((RAW_KEY, put_raw_table), (NEW_PASSENGERS_KEY, put_new_passengers)):
        if not _exists(there, key):
            put(there, out)


def put_example_tables(there: Target) -> None:
    """Writes the tables that the inputs in `events/` name, most of them bad in one way each."""
    for path in sorted((ROOT / "events" / "tables").glob("*.csv")):
        there.client("s3").put_object(
            Bucket=there.names["data_bucket"], Key=f"{EXAMPLES}/{path.name}", Body=path.read_bytes()
        )


def put_raw_table(there: Target, out: Output) -> None:
    """Writes the passengers to train on to where a training run reads them by default."""
    passengers = tables().training
    out.note(f"{len(passengers)} passengers to train on are at {_put_table(there, RAW_KEY, passengers)}.")


def put_new_passengers(there: Target, out: Output) -> str:
    """Writes those who were kept aside, without their fate, to where a batch run reads; the file's URI."""
    passengers = tables().new_passengers
    uri = _put_table(there, NEW_PASSENGERS_KEY, passengers)
    out.note(f"{len(passengers)} passengers nobody has trained on are at {uri}.")
    return uri


def tables() -> TitanicTables:
    """The real table in its three parts. Raises `OpsError` where it is not on this machine."""
    from ops import dataset

    try:
        return dataset.titanic_tables()
    except dataset.DatasetUnavailable as error:
        raise OpsError(_sentence(str(error))) from error


def _put_table(there: Target, key: str, rows: Sequence[Mapping[str, str]]) -> str:
    from ops import dataset

    bucket = there.names["data_bucket"]
    there.client("s3").put_object(Bucket=bucket, Key=key, Body=dataset.csv_bytes(rows))
    return f"s3://{bucket}/{key}"


def _start(port: int | None, enforce_iam: bool) -> Started:
    from localcloud import control

    try:
        new = control.start(home(), port, enforce_iam=enforce_iam)
    except control.LocalCloudError as error:
        raise OpsError(_sentence(str(error))) from error
    return Started(new, is_new=True, port_was_busy=port is None and new.port != DEFAULT_PORT)


@contextmanager
def _undisturbed() -> Iterator[None]:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _INTERRUPTIONS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exists(there: Target, key: str) -> bool:
    listed = there.client("s3").list_objects_v2(Bucket=there.names["data_bucket"], Prefix=key, MaxKeys=1)
    return bool(listed.get("KeyCount"))


def _refuse_other_wishes(cloud: Cloud, port: int | None, enforce_iam: bool) -> None:
    if port not in (None, cloud.port):
        raise UsageError(
            f"The local cloud of this checkout already runs at {cloud.endpoint_url}, not on port {port}. "
            "Stop it with `titanic down` first."
        )
    if enforce_iam and not cloud.enforce_iam:
        raise UsageError(
            f"The local cloud at {cloud.endpoint_url} runs without IAM enforcement. Stop it with `titanic "
            "down`, then start it with `titanic up --enforce-iam`."
        )


def _sentence(text: str) -> str:
    """The local cloud's errors start small and end open, to be quoted."""
    first, _, rest = text.partition("\n")
    return "\n".join(
        filter(None, [first[:1].upper() + first[1:] + ("" if first.endswith((".", ":")) else "."), rest])
    )
