"""Puts an endpoint back on what it served before, by hand: seen through, recorded, and told to people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ops import endpoints, runs
from ops.endpoints import Endpoint
from ops.errors import NothingToRollBackTo, OpsError
from ops.target import Target

if TYPE_CHECKING:
    from functions.common.serving_history import ServingHistory


@dataclass(frozen=True)
class Rollback:
    """What was done: the configuration and the version that serve now, and those that did."""

    endpoint: str
    config: str
    version: int | None
    before: str
    version_before: int | None
    by: str
    at: str
    reason: str | None

    @property
    def words(self) -> str:
        return (
            f"{self.endpoint} is back on {_version(self.version)} ({self.config}); it was on "
            f"{_version(self.version_before)} ({self.before})."
        )

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def roll_back(target: Target, name: str, reason: str | None) -> Rollback:
    """Goes back to the configuration before the present one, and waits until that serves.

    Raises `EndpointNotFound`, `EndpointBusy`, `NothingToRollBackTo`, and `OpsError` where SageMaker did not
    stay on it.
    """
    now = endpoints.describe_endpoint(target, name)
    endpoints.refuse_while_changing(now)
    history = history_of(target, name)
    entry = _present(history.deployments(), now)
    attempt = _attempt(target, now, entry["previous_endpoint_config_name"], reason)
    history.keep_rollback(attempt)  # whatever happens next, it is known who wanted what
    after = _go_back(target, name, entry["previous_endpoint_config_name"])
    at = runs.iso(datetime.now(UTC))
    went = _serves(after, attempt["to_endpoint_config_name"])
    history.keep_rollback({**attempt, "outcome": "rolled_back" if went else "failed", "settled_at": at})
    if not went:
        raise _did_not_go(after, attempt["to_endpoint_config_name"])
    done = _done(now, after, attempt, at)
    why = f"By hand, by {done.by}: {done.reason or 'no reason was given'}"
    history.settle(entry["run_id"], "rolled_back", at, why)
    _tell(target, done)
    return done


def _attempt(target: Target, now: Endpoint, previous: str, reason: str | None) -> dict[str, Any]:
    """The rollback as the endpoint's history has it from its beginning on."""
    return {
        "from_endpoint_config_name": now.config,
        "to_endpoint_config_name": previous,
        "by": target.identity["Arn"],
        "requested_at": runs.iso(datetime.now(UTC)),
        "outcome": "requested",
        "settled_at": None,
        "reason": " ".join((reason or "").split()) or None,
    }


def _go_back(target: Target, name: str, config: str) -> Endpoint:
    target.client("sagemaker").update_endpoint(EndpointName=name, EndpointConfigName=config)
    return endpoints.settle(target, name)


def _done(now: Endpoint, after: Endpoint, attempt: dict[str, Any], at: str) -> Rollback:
    return Rollback(
        endpoint=after.name,
        config=after.config,
        version=after.version,
        before=now.config,
        version_before=now.version,
        by=attempt["by"],
        at=at,
        reason=attempt["reason"],
    )


def history_of(target: Target, name: str) -> ServingHistory:
    """What an endpoint was given, and what came of it."""
    from functions.common.serving_history import ServingHistory

    return ServingHistory(target.client("s3"), target.names["data_bucket"], name)


def deployment_of(deployments: list[dict[str, Any]], config: str) -> dict[str, Any] | None:
    """The newest deployment of a configuration: it knows which one came before."""
    return next((each for each in reversed(deployments) if each["endpoint_config_name"] == config), None)


def _present(deployments: list[dict[str, Any]], now: Endpoint) -> dict[str, Any]:
    """The deployment that the endpoint serves. Raises `NothingToRollBackTo`."""
    found = deployment_of(deployments, now.config)
    if found is None:
        raise NothingToRollBackTo(
            f"Endpoint {now.name} serves {now.config}, which no promotion put there, so it is not known what "
            "it served before. `aws sagemaker update-endpoint` gives it another configuration; `titanic "
            "promote VERSION` another version."
        )
    if not found["previous_endpoint_config_name"]:
        raise NothingToRollBackTo(
            f"Endpoint {now.name} has served nothing before {now.config}: there is nothing to roll back to. "
            "`titanic promote VERSION` gives it another version; `titanic models` shows them."
        )
    return found


def _serves(after: Endpoint, config: str) -> bool:
    """`InService` proves nothing: an update that failed ends so as well, on the configuration it had."""
    return after.status == "InService" and after.config == config


def _did_not_go(after: Endpoint, config: str) -> OpsError:
    return OpsError(
        f"Endpoint {after.name} did not go back to {config}: it is {after.status} on {after.config}. "
        f"{after.failure or 'No reason was given.'} `titanic endpoints` shows it."
    )


def _tell(target: Target, done: Rollback) -> None:
    from functions.common.message import command, pairs, write_message

    text = write_message(
        target.env,
        f"{done.endpoint} rolled back by hand to {_version(done.version)}",
        [
            f"Reason: {done.reason or 'none was given'}",
            pairs(
                [
                    ("Endpoint", done.endpoint),
                    ("Now", f"{_version(done.version)}, {done.config}"),
                    ("Before", f"{_version(done.version_before)}, {done.before}"),
                    ("By", done.by),
                    ("At", done.at),
                ]
            ),
        ],
        [command("titanic endpoints", target.env)],
    )
    topic = target.names.arn("sns", target.names["alerts_topic"])
    target.client("sns").publish(TopicArn=topic, Subject=text.subject, Message=text.message)


def _version(version: int | None) -> str:
    return f"version {version}" if version else "a model that is in no registry"
