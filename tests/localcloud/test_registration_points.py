"""The pinned MiniStack still has every point the local cloud plugs into, with the shape it relies on."""

from __future__ import annotations

import inspect
import threading
from importlib.metadata import version
from typing import Any

import pytest


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_is_the_version_the_plug_ins_were_written_for() -> None:
    assert version("ministack") == "1.5.33"


def test_has_a_registry_of_service_handlers_and_one_of_request_patterns() -> None:
    from ministack import app
    from ministack.core import router

    assert "glue" in app.SERVICE_HANDLERS
    assert "target_prefixes" in router.SERVICE_PATTERNS["sqs"]


def test_has_registries_of_step_functions_integrations() -> None:
    from ministack.services import stepfunctions

    assert stepfunctions._AWS_SDK_SERVICE_MAP["glue"] == {"target_prefix": "AWSGlue", "protocol": "json"}
    assert stepfunctions._AWS_SDK_ERROR_PREFIX["glue"] == "Glue"
    assert "arn:aws:states:::sns:publish" in stepfunctions._SERVICE_DISPATCH
    assert hasattr(stepfunctions._state_machines, "get")  # by ARN: whose role a task acts as


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_execute_task", ["state_def", "raw_input", "execution", "ctx"]),
        ("_invoke_resource", ["resource", "input_data"]),
        ("_invoke_resource_with_timeout", ["resource", "input_data", "timeout"]),
        ("_invoke_with_callback", ["resource", "input_data", "token", "state_def"]),
        ("_send_task_success", ["data"]),
        ("_send_task_failure", ["data"]),
        ("_invoke_aws_sdk_integration", ["resource", "input_data"]),
        ("_run_execution", ["exec_arn"]),
        ("_fail_execution", ["execution", "error", "cause"]),
        ("_start_execution", ["data"]),
        ("_create_state_machine", ["data"]),
        ("_update_state_machine", ["data"]),
        ("_delete_state_machine", ["data"]),
        ("_resolve_path", ["path", "data"]),
        ("_evaluate_rule", ["rule", "data", "ctx"]),
        ("_resolve_path_or_ctx", ["path", "data", "ctx"]),
        ("_parse_jsonpath_tokens", ["path"]),
        ("_add_event", ["execution", "event_type", "details"]),
        ("_emit_execution_status_event", ["execution"]),
    ],
)
def test_step_functions_engine_has_the_functions_that_are_wrapped(name: str, expected: list[str]) -> None:
    from ministack.services import stepfunctions

    assert parameters(getattr(stepfunctions, name)) == expected


def test_step_functions_keep_an_answer_beside_its_token_until_the_task_takes_it() -> None:
    from ministack.services import stepfunctions

    waiting: dict[str, Any] = {"event": threading.Event(), "result": None, "error": None, "heartbeat": None}
    stepfunctions._task_tokens["a token"] = waiting
    try:
        stepfunctions._send_task_failure({"taskToken": "a token", "error": "NotToday", "cause": "come back"})
    finally:
        stepfunctions._task_tokens.pop("a token")
    assert waiting["event"].is_set()
    assert waiting["error"] == {"Error": "NotToday", "Cause": "come back"}


def test_step_functions_calls_services_from_inside_as_root_and_in_one_place() -> None:
    from ministack import app
    from ministack.core import iam_actions
    from ministack.services import stepfunctions

    call = ["method", "path", "headers", "body", "query_params"]
    assert parameters(app.call_service_handler_sync)[:6] == ["handler", *call]
    assert parameters(app._routing_params) == call
    assert parameters(iam_actions.extract_iam_action) == ["service", *call]
    assert parameters(iam_actions.extract_resource_arn) == ["service", *call, "region", "account_id"]
    for dispatch in ("json", "query", "rest_json", "rest_xml", "lambda_rest"):
        source = inspect.getsource(getattr(stepfunctions, f"_dispatch_aws_sdk_{dispatch}"))
        assert "app.call_service_handler_sync(" in source
        assert "AWS4-HMAC-SHA256 Credential=" in source


@pytest.mark.parametrize("name", ["_crc64nvme", "_crc32c"])
def test_s3_computes_checksums_in_functions_that_are_replaced(name: str) -> None:
    from ministack.services import s3

    assert parameters(getattr(s3, name)) == ["body"]
    assert f"{name}(body)" in inspect.getsource(s3._compute_s3_checksum)


def test_s3_cuts_ranges_out_of_bodies_that_it_reads_from_disk() -> None:
    from ministack.services import s3

    assert parameters(s3._get_object) == ["bucket_name", "key", "headers", "query_params"]
    assert parameters(s3._read_body) == ["bucket_name", "key", "obj"]
    assert "body[start : end + 1]" in inspect.getsource(s3._get_object)
    assert parameters(s3._object_disk_path)[:2] == ["bucket", "key"]


def test_modules_sleep_where_the_local_cloud_shortens_it() -> None:
    from ministack.services import sqs, stepfunctions

    from localcloud.plugins.waits import START_DELAY_SECONDS

    assert f"time.sleep({START_DELAY_SECONDS})" in inspect.getsource(stepfunctions._run_execution)
    assert "await asyncio.sleep(" in inspect.getsource(sqs._act_receive_message)


@pytest.mark.parametrize("name", ["_start_job_run", "_batch_stop_job_run", "_create_job", "_update_job"])
def test_glue_has_the_operations_that_are_replaced(name: str) -> None:
    from ministack.services import glue

    assert parameters(getattr(glue, name)) == ["data"]


def test_lambda_has_the_executor_that_is_replaced() -> None:
    from ministack.services import lambda_svc

    assert parameters(lambda_svc._execute_function_warm) == ["func", "event", "request_id"]
    assert parameters(lambda_svc._emit_lambda_logs)[:2] == ["func", "request_id"]


def test_logs_append_lines_in_one_place() -> None:
    from ministack.services import cloudwatch_logs

    assert parameters(cloudwatch_logs._append_log_events) == ["stream", "events"]


def test_logs_search_the_streams_that_are_named() -> None:
    from ministack.services import cloudwatch_logs

    assert parameters(cloudwatch_logs._filter_log_events) == ["data"]
    assert parameters(cloudwatch_logs._resolve_log_group_name) == ["data"]
    assert "logStreamNamePrefix" not in inspect.getsource(cloudwatch_logs._filter_log_events)


def test_logs_and_sts_take_what_jobs_write_and_assume() -> None:
    from ministack.services import cloudwatch_logs, sts

    assert parameters(cloudwatch_logs._put_log_events) == ["data"]
    assert parameters(sts.register_session) == ["access_key", "session"]


def test_iam_can_be_asked_for_services_ministack_does_not_know() -> None:
    from ministack.core import iam_evaluator

    expected = ["access_key_id", "iam_action", "service", "region", "resource_arn", "service_context"]
    assert parameters(iam_evaluator.enforce) == expected


def test_iam_judges_by_functions_that_are_wrapped() -> None:
    from ministack.core import iam_actions, iam_evaluator

    assert parameters(iam_evaluator.evaluate) == ["ctx", "policies", "limits"]
    assert "= evaluate(ctx, principal.policies" in inspect.getsource(iam_evaluator.enforce)
    request = ["service", "method", "path", "headers", "body", "query_params", "region", "account_id"]
    assert parameters(iam_actions.extract_resource_arn) == request


def test_iam_tells_a_request_apart_in_functions_that_are_wrapped() -> None:
    from ministack.core import iam_actions
    from ministack.services import iam, sts

    request = ["service", "method", "path", "headers", "body", "query_params"]
    assert parameters(iam_actions.extract_iam_action) == request
    assert parameters(iam_actions.extract_resource_arn) == [*request, "region", "account_id"]
    assert parameters(iam_actions.request_tag_context) == ["service", "iam_action", "body", "params"]
    assert parameters(sts._web_identity_principal) == ["token", "provider_id", "role_arn"]
    assert parameters(iam._p) == ["params", "key", "default"]
    assert hasattr(iam._roles, "get_scoped")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_invoke_target", ["target", "event", "rule", "view"]),
        ("_dispatch_to_lambda", ["arn", "payload"]),
        ("_dispatch_to_sns", ["arn", "payload"]),
        ("_dispatch_to_sqs", ["spec", "payload", "sqs_parameters"]),
        ("_dispatch_to_stepfunctions", ["arn", "payload"]),
        ("_validate_target_arn", ["target"]),
        ("_pattern_event_view", ["event"]),
        ("_cron_next_fire", ["fields", "after_dt"]),
        ("_parse_cron_fields", ["expr"]),
        ("_parse_rate_seconds", ["expr"]),
    ],
)
def test_eventbridge_has_the_functions_that_are_wrapped_or_asked(name: str, expected: list[str]) -> None:
    from ministack.services import eventbridge

    assert parameters(getattr(eventbridge, name)) == expected


def test_cron_fields_are_laid_out_as_their_check_reads_them() -> None:
    from ministack.services import eventbridge

    fields = eventbridge._parse_cron_fields("cron(1 2 3 4 ? 2030)")
    assert [fields[0], fields[1], fields[3], fields[5]] == [{1}, {2}, {4}, {2030}]
    assert (fields[2]["days"], fields[4]["days"]) == ({3}, set(range(1, 8)))


def test_scheduler_keeps_its_schedules_where_they_are_looked_for() -> None:
    from ministack.services import scheduler

    assert parameters(scheduler._create_schedule) == ["name", "body"]
    assert parameters(scheduler._update_schedule) == ["name", "body"]
    assert parameters(scheduler._error) == ["status", "code", "message"]
    assert parameters(scheduler.start_scheduler) == []
    assert scheduler._schedules._data == {}


def test_targets_take_what_is_delivered_to_them() -> None:
    from ministack.services import lambda_svc, sns, sqs

    assert parameters(sns.publish_internal)[:2] == ["topic_arn", "message"]
    assert parameters(sqs._act_send_message) == ["data", "qurl"]
    assert parameters(sqs._queue_by_arn) == ["arn"]
    assert parameters(lambda_svc._get_func_record_for_ref) == ["function_ref"]
    assert parameters(lambda_svc._execution_record_for_config) == ["func", "config"]
    assert parameters(lambda_svc.invoke_async_with_retry) == ["func", "event"]


def test_iam_can_be_asked_whether_a_service_may_use_a_resource() -> None:
    from ministack.core import iam_evaluator

    assert parameters(iam_evaluator._resource_policy) == ["service", "resource_arn"]
    assert parameters(iam_evaluator.evaluate_resource_policy)[:3] == ["doc", "ctx", "service"]
    assert parameters(iam_evaluator._service_principal_matches) == ["principal", "service"]


def test_cloudwatch_takes_metrics_from_the_inside() -> None:
    from ministack.services import cloudwatch

    expected = ["namespace", "metric_name", "value", "unit", "dimensions"]
    assert parameters(cloudwatch.record_metric) == expected
    assert parameters(cloudwatch._evaluate_all_alarms) == []


def test_queues_are_keyed_by_an_address_of_their_own() -> None:
    from ministack.services import sqs

    assert f"{sqs.DEFAULT_HOST}:{sqs.DEFAULT_PORT}" == sqs._CANONICAL_NETLOC
    assert parameters(sqs._externalize_url) == ["url"]
