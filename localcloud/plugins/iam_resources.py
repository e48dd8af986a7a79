"""Which resource a request is about, and what AWS calls its action, where MiniStack says it otherwise.

MiniStack names the resource of a request by its most usual parameter, and `*` where it finds none. A policy
that names resources as AWS does would then refuse what AWS allows: a Glue job is `job/…` and not `table/…`, a
rule of the default bus has no bus in its name, a role has its path, whatever is tagged names itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

_ARN_FIELDS = ("ResourceARN", "ResourceArn", "resourceArn")


@dataclass(frozen=True)
class Request:
    """What a resource can be told from. `values`: the JSON body, or the form's fields."""

    action: str
    parts: list[str]
    values: Mapping[str, Any]
    place: str
    """`region:account`"""

    @property
    def account(self) -> str:
        return self.place.partition(":")[2]

    def value(self, *names: str) -> str:
        """The first of these fields that is there; a list's first entry."""
        for name in names:
            found = self.values.get(name)
            if found:
                return str(found[0] if isinstance(found, list) else found)
        return ""


def install() -> None:
    from ministack.core import iam_actions

    iam_actions.extract_resource_arn = _with_resources(iam_actions.extract_resource_arn)
    iam_actions.extract_iam_action = _with_actions(iam_actions.extract_iam_action)


def _with_actions(action_of: Callable[..., str | None]) -> Callable[..., str | None]:
    def action(service: str, *request: Any) -> str | None:
        found = action_of(service, *request)
        if service != "budgets" or not found or "Tag" in found:
            return found
        return "budgets:ViewBudget" if ":Describe" in found else "budgets:ModifyBudget"

    return action


def _with_resources(arn_of: Callable[..., str]) -> Callable[..., str]:
    def resource(  # noqa: PLR0913, PLR0917 - the signature of what it replaces
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        params: dict[str, Any],
        region: str,
        account: str,
    ) -> str:
        known = _RESOURCES.get(service)
        if known:
            values = {**params, **_json(body)}
            action = headers.get("x-amz-target", "").rpartition(".")[2] or str(params.get("Action", ""))
            parts = [unquote(part) for part in path.split("/") if part]
            if found := known(Request(action, parts, values, f"{region}:{account}")):
                return found
        return arn_of(service, method, path, headers, body, params, region, account)

    return resource


def _json(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body) if body[:1] == b"{" else {}
    except (json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return read if isinstance(read, dict) else {}


def _tagged(request: Request) -> str:
    return request.value(*_ARN_FIELDS)


def _budgets(request: Request) -> str:
    budget = request.values.get("Budget") or request.values
    name = budget.get("BudgetName")
    return _tagged(request) or (f"arn:aws:budgets::{request.account}:budget/{name}" if name else "")


def _cloudwatch(request: Request) -> str:
    if "DescribeAlarms" in (request.action, *request.parts[-1:]):
        return ""  # of several alarms, or all: `plugins.iam` knows which
    if dashboard := request.value("DashboardName", "DashboardNames.member.1", "DashboardNames"):
        return f"arn:aws:cloudwatch::{request.account}:dashboard/{dashboard}"
    alarm = request.value("AlarmName", "AlarmNames.member.1", "AlarmNames")
    return _tagged(request) or (f"arn:aws:cloudwatch:{request.place}:alarm:{alarm}" if alarm else "")


def _events(request: Request) -> str:
    rule, bus = request.value("Name", "Rule"), request.value("EventBusName")
    if not rule or bus not in ("", "default") or "Entries" in request.values:
        return _tagged(request)
    return f"arn:aws:events:{request.place}:rule/{rule}"


def _glue(request: Request) -> str:
    if request.action.endswith(("Job", "JobRun", "JobRuns")):
        name = request.value("JobName", "Name")
        return f"arn:aws:glue:{request.place}:job/{name}" if name else ""
    if request.action.endswith("Database"):
        name = (request.values.get("DatabaseInput") or {}).get("Name") or request.value("Name")
        return f"arn:aws:glue:{request.place}:database/{name}"
    return _tagged(request)


def _iam(request: Request) -> str:
    from ministack.core.responses import get_account_id
    from ministack.services import iam

    if provider := iam._p(request.values, "OpenIDConnectProviderArn"):
        return str(provider)
    path, name = iam._p(request.values, "Path"), iam._p(request.values, "RoleName")
    if path and name:
        return f"arn:aws:iam::{request.account}:role{path}{name}"
    role = iam._roles.get_scoped(get_account_id(), None, name) if name else None
    return str(role["Arn"]) if role else ""


def _lambda(request: Request) -> str:
    name = request.value("FunctionName")
    return (
        f"arn:aws:lambda:{request.place}:function:{name}"
        if request.parts[1:] == ["functions"] and name
        else ""
    )


def _scheduler(request: Request) -> str:
    kind, _, name = "/".join(request.parts).partition("/")
    if kind == "tags":
        return name
    if kind == "schedule-groups":
        return f"arn:aws:scheduler:{request.place}:schedule-group/{name}"
    return ""  # a schedule: `plugins.iam` knows its group


def _sns(request: Request) -> str:
    subscription = request.value("SubscriptionArn")
    return _tagged(request) or subscription.rpartition(":")[0]


_RESOURCES: dict[str, Callable[[Request], str]] = {
    "budgets": _budgets,
    "events": _events,
    "glue": _glue,
    "iam": _iam,
    "lambda": _lambda,
    "monitoring": _cloudwatch,
    "scheduler": _scheduler,
    "sns": _sns,
    "states": _tagged,
}
