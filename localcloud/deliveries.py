"""Delivery to what a rule or a schedule names as its target, and the queue for what cannot be delivered.

MiniStack logs a failed delivery and forgets it. Here it fails with the error that AWS reports, is
repeated where that can help, and is set aside with its reason.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from localcloud import credentials, judge
from localcloud.settings import settings

logger = logging.getLogger("localcloud.deliveries")

LONGEST_PAUSE_SECONDS = 480.0  # 185 of them make the day for which AWS tries
_TRANSIENT = frozenset({"ExecutionLimitExceeded", "ThrottlingException", "TooManyRequestsException"})

Json = dict[str, Any]


class Undelivered(Exception):
    """`kind` is EventBridge's word for it, `code` and the message those of the target's own service."""

    def __init__(self, kind: str, code: str, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.kind, self.code, self.transient = kind, code, transient


class Caller(Protocol):
    """On whose behalf something is delivered."""

    def check(self, action: str, arn: str) -> None:
        """Raises `Undelivered` unless the caller may do `action` to `arn`."""


@dataclass(frozen=True)
class Role:
    """A schedule's or a rule's role: its own policies decide."""

    arn: str

    def check(self, action: str, arn: str) -> None:
        if not settings().enforce_iam:
            return
        key = credentials.role_environment(self.arn, "EventBridge")["AWS_ACCESS_KEY_ID"]
        refused = judge.refusal(key, action, arn)
        if refused and refused.code:
            raise Undelivered("FAILED_TO_ASSUME_ROLE", refused.code, refused.message)
        if refused:
            raise Undelivered("NO_PERMISSIONS", "AccessDeniedException", refused.message)


@dataclass(frozen=True)
class Service:
    """EventBridge itself, for a rule whose target names no role: the resource's policy decides."""

    principal: str
    source_arn: str

    def check(self, action: str, arn: str) -> None:
        from ministack.core.iam_evaluator import EvalContext, _resource_policy, evaluate_resource_policy

        here = settings()
        found = _resource_policy(action.partition(":")[0], arn)
        if not here.enforce_iam or found is None:  # what does not exist is not there to be forbidden
            return
        context = EvalContext(
            principal_arn="*",
            principal_type="Service",
            principal_account="",
            action=action,
            resource_arn=arn,
            region=here.region,
            service_context={"aws:sourcearn": self.source_arn, "aws:sourceaccount": here.account_id},
        )
        if evaluate_resource_policy(found[0], context, service=self.principal).decision != "Allow":
            message = f"{self.principal} is not authorized to perform: {action} on resource: {arn}"
            raise Undelivered("NO_PERMISSIONS", "AccessDeniedException", message)


def deliver(target: Mapping[str, Any], payload: str, caller: Caller) -> None:
    """Does once what `target` asks for. Raises `Undelivered`."""
    arn = str(target["Arn"])
    action, call = TARGETS[arn.split(":")[2]]
    try:
        caller.check(action, arn)
        call(target, payload)
    except Undelivered:
        raise
    except Exception as error:
        logger.exception("delivery to %s broke", arn)
        message = "Unexpected error occurred while processing the request"
        raise Undelivered(
            "INTERNAL_ERROR", "AWS.Scheduler.InternalServerError", message, transient=True
        ) from error


@dataclass(frozen=True)
class RetryPolicy:
    """How long a delivery is repeated. The pauses between are scaled like all waits here."""

    most_retries: int = 185
    longest_seconds: float = 86_400.0

    @classmethod
    def of(cls, target: Mapping[str, Any]) -> RetryPolicy:
        policy = target.get("RetryPolicy") or {}
        return cls(
            policy.get("MaximumRetryAttempts", cls.most_retries),
            policy.get("MaximumEventAgeInSeconds", cls.longest_seconds),
        )


@dataclass(frozen=True)
class Failure:
    """A delivery that was given up. `exhausted` names the limit that was reached, if one was."""

    error: Undelivered
    retries: int
    exhausted: str | None

    def attributes(self) -> dict[str, str]:
        """Those that the dead letters of rules and of schedules have in common."""
        exhausted = {"EXHAUSTED_RETRY_CONDITION": self.exhausted} if self.exhausted else {}
        return {"ERROR_MESSAGE": str(self.error), "RETRY_ATTEMPTS": str(self.retries), **exhausted}


def persevere(
    attempt: Callable[[int], None], policy: RetryPolicy, pause: Callable[[float], bool]
) -> Failure | None:
    """Calls `attempt` with 1, 2, … until it succeeds; None when it did.

    Only what may pass by itself is repeated: a target that is gone, or forbidden, stays so. `pause` waits,
    and answers True when the cloud is going down, which ends all trying.
    """
    waited = 0.0
    for number in itertools.count(1):
        try:
            attempt(number)
        except Undelivered as error:
            if not error.transient:
                return Failure(error, number - 1, None)
            if number > policy.most_retries:
                return Failure(error, number - 1, "MaximumRetryAttempts")
            seconds = min(2.0 ** min(number - 1, 16), LONGEST_PAUSE_SECONDS)
            waited += seconds
            if waited > policy.longest_seconds:
                return Failure(error, number - 1, "MaximumEventAgeInSeconds")
            if pause(seconds * settings().wait_scale):
                return Failure(error, number - 1, None)
        else:
            return None
    raise AssertionError("itertools.count() ended")


def set_aside(target: Mapping[str, Any], body: str, attributes: Mapping[str, str], caller: Caller) -> None:
    """Puts what was given up into the target's dead-letter queue; without one it is lost, as on AWS."""
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    lost = (
        f"{target['Arn']} did not get its event ({attributes['ERROR_CODE']}: {attributes['ERROR_MESSAGE']})"
    )
    if not queue:
        logger.warning("%s, and there is no dead-letter queue", lost)
        return
    try:
        caller.check("sqs:SendMessage", queue)
        send_message(queue, body, attributes)
    except Undelivered as error:
        logger.warning("%s, and %s would not take it: %s", lost, queue, error)


def send_message(queue_arn: str, body: str, attributes: Mapping[str, str], **more: str) -> None:
    """Raises `Undelivered`."""
    from ministack.services import sqs

    queue = sqs._queue_by_arn(queue_arn)
    if queue is None:
        message = "The specified queue does not exist."
        raise Undelivered("NO_RESOURCE", "AWS.SimpleQueueService.NonExistentQueue", message)
    typed = {name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()}
    request = {"QueueUrl": queue["url"], "MessageBody": body, "MessageAttributes": typed, **more}
    try:
        sqs._act_send_message(request, queue["url"])
    except sqs._Err as error:
        raise Undelivered("ERROR_FROM_TARGET", error.code, error.message) from error


def _start_execution(target: Mapping[str, Any], payload: str) -> None:
    from ministack.services import stepfunctions

    request = {"stateMachineArn": target["Arn"], "input": payload}
    status, _headers, body = stepfunctions._start_execution(request)
    if status < 400:
        return
    answer: Json = json.loads(body)
    code = str(answer["__type"])
    kind = "NO_RESOURCE" if code == "StateMachineDoesNotExist" else "ERROR_FROM_TARGET"
    raise Undelivered(kind, code, answer["message"], transient=status >= 500 or code in _TRANSIENT)


def _invoke_function(target: Mapping[str, Any], payload: str) -> None:
    from ministack.services import lambda_svc

    function, config, _name = lambda_svc._get_func_record_for_ref(target["Arn"])
    if not function or not config:
        message = f"Function not found: {target['Arn']}"
        raise Undelivered("NO_RESOURCE", "ResourceNotFoundException", message)
    try:
        event = json.loads(payload)
    except ValueError as error:
        raise Undelivered("INVALID_JSON", "InvalidRequestContentException", str(error)) from error
    # As on AWS nobody waits: what raises is tried twice more, then sent to the failure destination.
    record = lambda_svc._execution_record_for_config(function, config)
    lambda_svc.invoke_async_with_retry(record, event)


def _publish(target: Mapping[str, Any], payload: str) -> None:
    from ministack.services import sns

    try:
        published = sns.publish_internal(target["Arn"], payload)
    except sns.SnsPublishError as error:
        raise Undelivered("ERROR_FROM_TARGET", error.code, str(error)) from error
    if published is None:
        raise Undelivered("NO_RESOURCE", "NotFound", "Topic does not exist")


def _send(target: Mapping[str, Any], payload: str) -> None:
    send_message(target["Arn"], payload, {}, **(target.get("SqsParameters") or {}))


TARGETS: dict[str, tuple[str, Callable[[Mapping[str, Any], str], None]]] = {
    "lambda": ("lambda:InvokeFunction", _invoke_function),
    "sns": ("sns:Publish", _publish),
    "sqs": ("sqs:SendMessage", _send),
    "states": ("states:StartExecution", _start_execution),
}
