"""EventBridge rules: a delivery that fails is noticed, repeated where that can help, and set aside.

MiniStack logs it and goes on, so a rule whose topic is gone looks like a rule that never matched.

Registration points: `eventbridge._invoke_target`, `_dispatch_to_lambda`, `_dispatch_to_sns`,
`_dispatch_to_sqs`, `_dispatch_to_stepfunctions`, `_validate_target_arn`.
"""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localcloud import deliveries
from localcloud.deliveries import Undelivered

PRINCIPAL = "events.amazonaws.com"

Json = dict[str, Any]
Invoke = Callable[..., None]

stopping = threading.Event()


@dataclass
class Delivery:
    """One event on its way to one target of a rule."""

    target: Json
    event: Json
    rule: Json
    view: Any
    reached: bool = False
    error: Undelivered | None = None

    @property
    def caller(self) -> deliveries.Caller:
        role = self.target.get("RoleArn")
        return deliveries.Role(role) if role else deliveries.Service(PRINCIPAL, self.rule.get("Arn", ""))

    def attributes(self, failure: deliveries.Failure) -> dict[str, str]:
        return failure.attributes() | {
            "ERROR_CODE": failure.error.kind,
            "RULE_ARN": self.rule.get("Arn", ""),
            "TARGET_ARN": self.target["Arn"],
        }

    def set_aside(self, failure: deliveries.Failure) -> None:
        """The letter is the event as the rule saw it, so that it can be sent again."""
        body = json.dumps(self.view.event_with_detail())
        deliveries.set_aside(self.target, body, self.attributes(failure), self.caller)


_delivery: contextvars.ContextVar[Delivery] = contextvars.ContextVar("localcloud_delivery")


def invoke_target(original: Invoke) -> Invoke:
    """Wraps `_invoke_target`, which makes the payload and calls one of the `_dispatch_to_…`. Never raises."""

    def invoke(target: Json, event: Json, rule: Json, view: Any = None) -> None:
        from ministack.services import eventbridge

        delivery = Delivery(target, event, rule, view or eventbridge._pattern_event_view(event))
        try:
            _deliver(original, delivery)
        except Undelivered as error:
            _persevere(original, delivery, error)

    return invoke


def dispatch(arn: object, payload: str, *_sqs_parameters: Json) -> None:
    """Stands in for MiniStack's `_dispatch_to_…`; the parameters of a queue are the target's own."""
    delivery = _delivery.get()
    delivery.reached = True
    try:
        deliveries.deliver(delivery.target, payload, delivery.caller)
    except Undelivered as error:
        delivery.error = error  # `_invoke_target` would log an exception and go on


def validate_target(original: Callable[[Json], Any]) -> Callable[[Json], Any]:
    """Wraps `_validate_target_arn`: on AWS a state machine is started under a role or not at all."""

    def validate(target: Json) -> Any:
        from ministack.core.responses import error_response_json

        refused = original(target)
        if refused is None and ":states:" in target["Arn"] and not target.get("RoleArn"):
            message = f"RoleArn is required for target {target['Arn']}."
            return error_response_json("ValidationException", message, 400)
        return refused

    return validate


def install() -> None:
    from ministack.services import eventbridge

    eventbridge._invoke_target = invoke_target(eventbridge._invoke_target)
    eventbridge._validate_target_arn = validate_target(eventbridge._validate_target_arn)
    for service in ("lambda", "sns", "sqs", "stepfunctions"):
        setattr(eventbridge, f"_dispatch_to_{service}", dispatch)


def _deliver(original: Invoke, delivery: Delivery) -> None:
    """One attempt. Raises `Undelivered`."""
    delivery.reached, delivery.error = False, None
    token = _delivery.set(delivery)
    try:
        original(delivery.target, delivery.event, delivery.rule, delivery.view)
    finally:
        _delivery.reset(token)
    if delivery.error:
        raise delivery.error
    arn = delivery.target["Arn"]
    if not delivery.reached and ":events:" not in arn:  # another bus, an API destination
        message = (
            f"{arn} cannot be reached: another region or account, or a service this cloud does not start"
        )
        raise Undelivered("NO_RESOURCE", "ResourceNotFoundException", message)


def _persevere(original: Invoke, delivery: Delivery, first: Undelivered) -> None:
    """What cannot pass by itself is set aside at once; the rest is repeated in a thread of its own."""
    policy = deliveries.RetryPolicy.of(delivery.target)
    if not first.transient or not policy.most_retries:
        delivery.set_aside(deliveries.Failure(first, 0, "MaximumRetryAttempts" if first.transient else None))
        return

    def attempt(number: int) -> None:
        if number == 1:
            raise first
        _deliver(original, delivery)

    def repeat() -> None:
        failure = deliveries.persevere(attempt, policy, stopping.wait)
        if failure:
            delivery.set_aside(failure)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(repeat,), name="deliver-again", daemon=True).start()
