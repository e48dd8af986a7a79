"""Puts the project's resources into an account, from the same files that Terraform reads.

`titanic up` calls `deploy` on the local cloud. Nothing here repeats what a file says: names come from
`project.json`, functions and their permissions from `functions/functions.json`, roles from `iam/`, the
job from `glue_jobs/prepare.json`, the pipeline from its template, machines from their ASL, rules and
schedules from `events/`. Every step creates or updates, so a second `deploy` changes only what changed.

    base       what a deployment is: account, names, placeholders' values
    storage    the bucket and the code in it
    roles      what each part may do
    alerts     the topic people subscribe to, and the queues of what was said and what got lost
    functions  the Lambdas
    jobs       the Glue job
    pipeline   the SageMaker pipeline and the model package group
    machines   the state machines
    alarms     what notices, and takes an update of prod back
    rules      what happens on its own when something changes
    schedules  what starts on its own when it is time
    unattended where the failures go of functions that nobody waits for
"""

from __future__ import annotations

from collections.abc import Callable

from ops.stack import (
    alarms,
    alerts,
    functions,
    jobs,
    machines,
    pipeline,
    roles,
    rules,
    schedules,
    storage,
    unattended,
)
from ops.stack.base import Stack

__all__ = ["Stack", "deploy"]


def deploy(stack: Stack, report: Callable[[str], None]) -> None:
    """Creates or updates every resource. `report` gets one line a step."""
    report(f"data bucket {stack.names['data_bucket']}")
    storage.put_bucket(stack)
    report(f"code {stack.code_version}")
    storage.upload_code(stack)
    report("roles")
    roles.put_roles(stack)
    report(f"topic {stack.names['alerts_topic']}")
    alerts.put_alerts(stack)
    report(f"{len(stack.functions['functions'])} Lambda functions")
    functions.put_functions(stack)
    report(f"Glue job {stack.names['prepare_job']}")
    jobs.put_job(stack)
    report(f"SageMaker pipeline {stack.names['pipeline']}")
    pipeline.put_pipeline(stack)
    report("state machines")
    machines.put_machines(stack)
    report("alarms")
    alarms.put_alarms(stack)
    report("event rules")
    rules.put_rules(stack)
    report("schedules")
    schedules.put_schedules(stack)
    unattended.set_failures_aside(stack)
