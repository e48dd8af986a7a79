"""What a state machine does, its role must allow: asked before each of its calls, under `--enforce-iam`.

MiniStack judges what comes over HTTP; its engine calls the other services from inside, where nobody looks. A
denial has the error's name and the cause's form that Step Functions gives it on AWS:

- an optimised integration (`arn:aws:states:::sns:publish`): the exception of an older Java SDK, by service;
- `aws-sdk`: judged as if the call came from outside, with credentials of the machine's role;
- a machine: its role must trust Step Functions, and with `.sync` tasks that it hears of through a rule of its
  own, may make that rule. Otherwise the machine is refused.

Registration points: `stepfunctions._invoke_resource`, `_invoke_aws_sdk_integration`, `_create_state_machine`,
`_update_state_machine`; `app.call_service_handler_sync`.
"""

from __future__ import annotations

import contextvars
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from localcloud import credentials, judge
from localcloud.plugins import step_functions_task
from localcloud.settings import settings
from localcloud.trust import trusts

Json = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]

PRINCIPAL = "states.amazonaws.com"
RULE_ACTIONS = ("events:DescribeRule", "events:PutRule", "events:PutTargets")
MANAGED_RULES = {
    "sagemaker:createProcessingJob": "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
    "sagemaker:createTrainingJob": "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "sagemaker:createTransformJob": "StepFunctionsGetEventsForSageMakerTransformJobsRule",
    "states:startExecution": "StepFunctionsGetEventsForStepFunctionsExecutionRule",
}
_SYNC = re.compile(r"arn:aws:states:::(\w+:\w+)\.sync")
SDK_DENIALS = {  # what their models declare
    "eventbridge": "AccessDeniedException",
    "glue": "AccessDeniedException",
    "sns": "AuthorizationErrorException",
}
_CREDENTIAL = re.compile(r"Credential=[^/]+/")


@dataclass(frozen=True)
class Integration:
    """An optimised integration: what it does to what, and how its service says no."""

    action: str
    resource: Callable[[Json], str]
    error: str
    service: str
    status: int
    code: str = "AccessDeniedException"

    def denied(self, message: str) -> Exception:
        from ministack.services.stepfunctions import _ExecutionError

        cause = (
            f"{message} (Service: {self.service}; Status Code: {self.status}; Error Code: {self.code};"
            f" Request ID: {uuid.uuid4()}; Proxy: null)"
        )
        error: Exception = _ExecutionError(self.error, cause)
        return error


def function_arn(parameters: Json) -> str:
    """Of the function as it is named: by name, by part of an ARN, or whole, with or without a qualifier."""
    named = str(parameters["FunctionName"])
    name = named.rpartition(":function:")[2]
    arn = named if named.startswith("arn:") else _arn("lambda", f"function:{name}")
    qualifier = parameters.get("Qualifier")
    return f"{arn}:{qualifier}" if qualifier else arn


def queue_arn(parameters: Json) -> str:
    account, name = str(parameters["QueueUrl"]).rstrip("/").split("/")[-2:]
    return f"arn:aws:sqs:{settings().region}:{account}:{name}"


def job_arn(parameters: Json) -> str:
    return _arn("glue", f"job/{parameters['JobName']}")


LAMBDA = Integration("lambda:InvokeFunction", function_arn, "Lambda.AWSLambdaException", "AWSLambda", 403)
GLUE_POLL = Integration("glue:GetJobRun", job_arn, "Glue.AccessDeniedException", "AWSGlue", 400)
GLUE_STOP = Integration("glue:BatchStopJobRun", job_arn, "Glue.AccessDeniedException", "AWSGlue", 400)
INTEGRATIONS = {
    "lambda:invoke": LAMBDA,
    "sns:publish": Integration(
        "sns:Publish",
        lambda parameters: parameters.get("TopicArn") or parameters.get("TargetArn") or "*",
        "SNS.AuthorizationErrorException",
        "AmazonSNS",
        403,
        "AuthorizationError",
    ),
    "sqs:sendMessage": Integration(
        "sqs:SendMessage", queue_arn, "SQS.AmazonSQSException", "AmazonSQS", 403, "AccessDenied"
    ),
    "glue:startJobRun": Integration(
        "glue:StartJobRun", job_arn, "Glue.AccessDeniedException", "AWSGlue", 400
    ),
    "states:startExecution": Integration(
        "states:StartExecution",
        lambda parameters: parameters["StateMachineArn"],
        "StepFunctions.AWSStepFunctionsException",
        "AWSStepFunctions",
        400,
    ),
}
JUDGED_ELSEWHERE = ("aws-sdk:", "sagemaker:")  # by the service itself, with the role's key


def machines_key() -> str:
    """An access key of the state machine's role, by which services judge the task's calls."""
    from ministack.services import stepfunctions

    execution = step_functions_task.current.get().execution
    role = stepfunctions._state_machines[execution["stateMachineArn"]]["roleArn"]
    return credentials.role_environment(role, execution["name"])["AWS_ACCESS_KEY_ID"]


def _in_task() -> bool:
    """`TestState` has no execution, and so no role."""
    return step_functions_task.current.get(None) is not None


def require(integration: Integration, parameters: Json) -> None:
    """Raises the integration's error unless the machine's role allows the call."""
    if not settings().enforce_iam:
        return
    refused = judge.refusal(machines_key(), integration.action, integration.resource(parameters))
    if refused:
        raise integration.denied(refused.message)


def authorize(resource: str, parameters: Json) -> None:
    """Before a task's call. Raises `_ExecutionError`, also for an integration that nobody can judge here."""
    from ministack.services.stepfunctions import _ExecutionError

    if not settings().enforce_iam or not _in_task():
        return
    name = resource.partition("arn:aws:states:::")[2].partition(".")[0]
    if ":function:" in resource:
        require(LAMBDA, {"FunctionName": resource})
    elif name in INTEGRATIONS:
        require(INTEGRATIONS[name], parameters)
    elif name and not name.startswith(JUDGED_ELSEWHERE):
        message = f"{resource} is not judged by the local cloud's IAM: use the aws-sdk form of it"
        raise _ExecutionError("States.Runtime", message)


def invoke(original: Callable[..., Any]) -> Callable[..., Any]:
    """`_invoke_resource`, by which every task gets to its service, also one that waits for a token."""

    def call(resource: str, parameters: Json) -> Any:
        authorize(resource, parameters)
        return original(resource, parameters)

    return call


@dataclass(frozen=True)
class Caller:
    """On whose behalf the next `aws-sdk` call is made: an access key of the machine's role."""

    key: str
    service: str  # as the task's resource spells it

    def denied(self, message: str) -> Exception:
        """By the class of the newer Java SDK: the service's base class unless its model declares another."""
        from ministack.services import stepfunctions

        prefix = stepfunctions._AWS_SDK_ERROR_PREFIX.get(self.service, self.service.capitalize())
        name = SDK_DENIALS.get(self.service, f"{prefix}Exception")
        cause = f"{message} (Service: {prefix}, Status Code: 403, Request ID: {uuid.uuid4()})"
        error: Exception = stepfunctions._ExecutionError(f"{prefix}.{name}", cause)
        return error


_caller: contextvars.ContextVar[Caller | None] = contextvars.ContextVar("localcloud_caller", default=None)


def invoke_sdk(original: Callable[..., Any]) -> Callable[..., Any]:
    """The next call to a service is the role's own."""

    def call(resource: str, parameters: Json) -> Any:
        if settings().enforce_iam and _in_task():
            _caller.set(Caller(machines_key(), resource.split(":")[6].lower()))
        return original(resource, parameters)

    return call


class Call(NamedTuple):
    """A call to a service's handler, from inside."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | str
    query: Json


def call_service(original: Callable[..., Response]) -> Callable[..., Response]:
    """Judges an `aws-sdk` call as MiniStack's edge judges one that comes over HTTP."""

    def call(handler: Any, *given: Any) -> Response:
        caller = _caller.get()
        if caller is None:
            return original(handler, *given)
        _caller.set(None)  # what the service does then, it does on its own behalf
        made, more = Call(*given[:5]), given[5:]
        signed = _CREDENTIAL.sub(f"Credential={caller.key}/", made.headers["authorization"])
        made = made._replace(headers={**made.headers, "authorization": signed})
        _judge(caller, made)
        return original(handler, *made, *more)

    return call


def _judge(caller: Caller, made: Call) -> None:
    from ministack.app import _routing_params
    from ministack.core.iam_actions import extract_iam_action, extract_resource_arn

    here, service = settings(), made.headers["authorization"].split("/")[3]
    body = made.body if isinstance(made.body, bytes) else made.body.encode()
    made = made._replace(body=body)
    action = extract_iam_action(service, *made)
    if action is None:  # a service of ours, which asks by itself
        return
    known = made._replace(query=_routing_params(*made))  # with the parameters of a form
    arn = extract_resource_arn(service, *known, here.region, here.account_id)
    refused = judge.refusal(caller.key, action, arn)
    if refused:
        raise caller.denied(refused.message)


def keep_machine(original: Callable[[Json], Response]) -> Callable[[Json], Response]:
    """Refuses a role that Step Functions cannot assume, or that may not make the rules the machine needs."""

    def put(data: Json) -> Response:
        from ministack.core.responses import error_response_json
        from ministack.services import stepfunctions

        known = stepfunctions._state_machines.get(data.get("stateMachineArn")) or {}
        role = data.get("roleArn") or known.get("roleArn")
        definition = data.get("definition") or known.get("definition") or ""
        lacking = _lacking(role, definition) if settings().enforce_iam and role else None
        if lacking:
            refused: Response = error_response_json("AccessDeniedException", lacking, 400)
            return refused
        return original(data)

    return put


def _lacking(role: str, definition: str) -> str | None:
    """Why the machine cannot have this role, in AWS's words."""
    if not trusts(role, PRINCIPAL):
        return (
            f"Neither the global service principal {PRINCIPAL}, nor the regional one is authorized to assume"
            " the provided role."
        )
    return (
        None if _may_make_rules(role, definition) else f"'{role}' is not authorized to create managed-rule."
    )


def _may_make_rules(role: str, definition: str) -> bool:
    key = credentials.role_environment(role, "StepFunctions")["AWS_ACCESS_KEY_ID"]
    rules = {MANAGED_RULES[name] for name in _SYNC.findall(definition) if name in MANAGED_RULES}
    needed = [(action, _arn("events", f"rule/{rule}")) for rule in rules for action in RULE_ACTIONS]
    return not any(judge.refusal(key, action, arn) for action, arn in needed)


def install() -> None:
    """Called before `step_functions.install`: a task whose execution has ended is told so, and not judged."""
    from ministack import app
    from ministack.services import stepfunctions

    wrappers: dict[str, Callable[[Any], Any]] = {
        "_invoke_resource": invoke,
        "_invoke_aws_sdk_integration": invoke_sdk,
        "_create_state_machine": keep_machine,
        "_update_state_machine": keep_machine,
    }
    for name, wrap in wrappers.items():
        setattr(stepfunctions, name, wrap(getattr(stepfunctions, name)))
    app.call_service_handler_sync = call_service(app.call_service_handler_sync)


def _arn(service: str, resource: str) -> str:
    here = settings()
    return f"arn:aws:{service}:{here.region}:{here.account_id}:{resource}"
