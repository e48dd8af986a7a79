"""The state machines of `statemachines/`."""

from __future__ import annotations

import json

from botocore.exceptions import ClientError

from ops.stack.base import MACHINES, Stack


def put_machines(stack: Stack) -> None:
    for name in stack.machines:
        put_machine(stack, name)


def put_machine(stack: Stack, name: str) -> None:
    """The machine in `statemachines/<name>.asl.json`, with the role of `iam/<name>_state_machine.json`."""
    states = stack.client("stepfunctions")
    settings = {
        "definition": json.dumps(stack.render(f"{MACHINES}/{name}.asl.json")),
        "roleArn": stack.names.role_arn(f"{name}_state_machine"),
    }
    try:
        states.create_state_machine(
            name=stack.names[f"{name}_state_machine"], **settings, tags=stack.tags("key", "value")
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "StateMachineAlreadyExists":
            raise
        states.update_state_machine(stateMachineArn=stack.machine_arn(name), **settings)
