# events/schedules.json says whether a schedule is on when it is first deployed. From then on the operator says
# it (`titanic schedule enable|disable`), and a later apply leaves it as it is.

resource "aws_scheduler_schedule_group" "this" {
  name = local.names.schedule_group
}

resource "aws_scheduler_schedule" "this" {
  # checkov:skip=CKV_AWS_297:a schedule holds its own times and no data; AWS encrypts it with a key of its own
  for_each = local.schedules

  name                         = local.schedule_names[each.key]
  description                  = each.value.description
  group_name                   = aws_scheduler_schedule_group.this.name
  schedule_expression          = each.value.expression
  schedule_expression_timezone = each.value.timezone
  state                        = each.value.state

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = can(each.value.function) ? local.function_arns[each.value.function] : local.state_machine_arns[each.value.state_machine]
    role_arn = module.roles.arns["scheduler"]
    # Scheduler replaces <aws.scheduler.scheduled-time>, and only where it finds it as it is written.
    input = replace(replace(jsonencode(each.value.input), "\\u003c", "<"), "\\u003e", ">")
    dead_letter_config {
      arn = aws_sqs_queue.this["dead_letters"].arn
    }
    retry_policy {
      maximum_event_age_in_seconds = each.value.retry_policy.maximum_event_age_in_seconds
      maximum_retry_attempts       = each.value.retry_policy.maximum_retry_attempts
    }
  }

  lifecycle {
    ignore_changes = [state]
  }
}
