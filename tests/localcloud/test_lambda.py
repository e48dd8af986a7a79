from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Aws = Callable[[str], Any]
Deploy = Callable[..., str]

FAILING = """
class InvalidInput(Exception):
    pass

def handler(event, context):
    raise InvalidInput("the key 'colour' is unknown")
"""


def invoke(aws: Aws, name: str, event: object = None) -> tuple[str | None, Any]:
    answer = aws("lambda").invoke(FunctionName=name, Payload=json.dumps(event or {}))
    return answer.get("FunctionError"), json.loads(answer["Payload"].read())


def test_answers_with_what_the_handler_returns(aws: Aws, deploy_function: Deploy) -> None:
    name = deploy_function("def handler(event, context): return {'got': event}")
    assert invoke(aws, name, {"a": 1}) == (None, {"got": {"a": 1}})


def test_names_an_error_after_the_class_of_the_exception(aws: Aws, deploy_function: Deploy) -> None:
    error, body = invoke(aws, deploy_function(FAILING))
    assert error is not None
    assert (body["errorType"], body["errorMessage"]) == ("InvalidInput", "the key 'colour' is unknown")
    assert body["stackTrace"]


def test_reports_a_module_that_cannot_be_imported(aws: Aws, deploy_function: Deploy) -> None:
    _, body = invoke(aws, deploy_function("import no_such_module"))
    assert body["errorType"] == "Runtime.ImportModuleError"


def test_reports_a_process_that_dies_and_works_again_afterwards(aws: Aws, deploy_function: Deploy) -> None:
    name = deploy_function(
        "import os\ndef handler(event, context):\n    if event.get('die'): os._exit(3)\n    return 'alive'"
    )
    _, body = invoke(aws, name, {"die": True})
    assert body["errorType"] == "Runtime.ExitError"
    assert invoke(aws, name) == (None, "alive")


def test_ends_an_invocation_that_takes_too_long(aws: Aws, deploy_function: Deploy) -> None:
    name = deploy_function("import time\ndef handler(event, context): time.sleep(60)", Timeout=1)
    _, body = invoke(aws, name)
    assert body["errorType"] == "Sandbox.Timedout"
    assert "timed out after 1.00 seconds" in body["errorMessage"]


def test_finds_the_environment_a_function_has_on_aws(aws: Aws, deploy_function: Deploy) -> None:
    name = deploy_function(
        "import os\n"
        "def handler(event, context):\n"
        "    return [dict(os.environ), context.get_remaining_time_in_millis()]",
        Environment={"Variables": {"COLOUR": "blue"}},
        MemorySize=512,
    )
    _, (environment, left) = invoke(aws, name)
    assert environment["COLOUR"] == "blue"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert "LOCALCLOUD_HOME" not in environment
    assert 0 < left <= 10_000


def test_writes_what_the_function_prints_to_its_log_group(aws: Aws, deploy_function: Deploy) -> None:
    name = deploy_function("def handler(event, context): print('hello', event['n'])")
    for n in (1, 2):
        invoke(aws, name, {"n": n})
    events = aws("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    messages = [event["message"] for event in events]
    assert [line for line in messages if line.startswith("hello")] == ["hello 1", "hello 2"]
    assert sum(line.startswith("REPORT RequestId") for line in messages) == 2


def test_uses_new_code_after_an_update(aws: Aws, deploy_function: Deploy) -> None:
    name = deploy_function("import os\ndef handler(event, context): return os.environ.get('COLOUR')")
    assert invoke(aws, name) == (None, None)
    aws("lambda").update_function_configuration(
        FunctionName=name, Environment={"Variables": {"COLOUR": "red"}}
    )
    assert invoke(aws, name) == (None, "red")
