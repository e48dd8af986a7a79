"""The Lambda functions of `functions/functions.json`."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from ops import bundles
from ops.stack.base import FUNCTIONS, Stack


def put_functions(stack: Stack) -> None:
    for name in stack.functions["functions"]:
        put_function(stack, name)


def put_function(stack: Stack, name: str) -> None:
    client, settings = stack.client("lambda"), function_settings(stack, name)
    code = bundles.build_function_zip(stack.root, name)
    deployed = deployed_function(stack, name)
    if deployed is None:
        client.create_function(
            **settings,
            Architectures=stack.functions["defaults"]["architectures"],
            Code={"ZipFile": code},
            PackageType="Zip",
            Tags=stack.names.tags(),
        )
        return
    if deployed["CodeSha256"] != base64.b64encode(hashlib.sha256(code).digest()).decode():
        client.update_function_code(FunctionName=settings["FunctionName"], ZipFile=code)
        client.get_waiter("function_updated_v2").wait(FunctionName=settings["FunctionName"])
    if any(_only_mode(deployed.get(key)) != value for key, value in settings.items()):
        client.update_function_configuration(**settings)


def deployed_function(stack: Stack, name: str) -> dict[str, Any] | None:
    client = stack.client("lambda")
    try:
        found: dict[str, Any] = client.get_function_configuration(FunctionName=stack.names.function(name))
    except client.exceptions.ResourceNotFoundException:
        return None
    return found


def function_file(stack: Stack, name: str) -> Any:
    """`functions.json` as the function `name` reads it: what all share names its own log group."""
    return stack.render(FUNCTIONS, function_name=stack.names.function(name))


def function_settings(stack: Stack, name: str) -> dict[str, Any]:
    """What `CreateFunction` gets, besides the code."""
    rendered = function_file(stack, name)
    defaults, function = rendered["defaults"], rendered["functions"][name]
    merged = defaults | function
    environment = defaults.get("environment", {}) | function.get("environment", {})
    return {
        "FunctionName": stack.names.function(name),
        "Description": function["description"],
        "Handler": f"functions.{name}.handler.handler",
        "Runtime": merged["runtime"],
        "Role": stack.names.role_arn(name),
        "MemorySize": merged["memory_size"],
        "Timeout": merged["timeout"],
        "TracingConfig": {"Mode": merged["tracing"]},
        "Environment": {"Variables": environment},
    }


def _only_mode(setting: Any) -> Any:
    """Lambda describes a tracing mode together with other things that were never set."""
    return {"Mode": setting["Mode"]} if isinstance(setting, dict) and "Mode" in setting else setting
