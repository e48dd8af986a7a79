# alarms.json says what is watched; here it meets the things there are. An alarm tells people only where nobody
# else does: a run that fails sends its own message, and one failure should be one message.

locals {
  alarm_kinds = jsondecode(file("${path.module}/alarms.json"))
  rule_called = toset(concat(
    [for rule in local.calling : rule.function],
    [for schedule in local.schedules : schedule.function if can(schedule.function)],
  ))
  names_of = { for name, arn in local.function_arns : name => element(split(":", arn), 6) }

  # What each kind of alarm watches: short name => value of the metric's dimension.
  watched = {
    state_machine    = local.state_machine_arns
    machine_function = { for name, deployed in local.names_of : name => deployed if !contains(local.rule_called, name) }
    rule_function    = { for name in local.rule_called : name => local.names_of[name] }
    pipeline         = { pipeline = var.pipeline_name }
    queue            = { dead_letters = aws_sqs_queue.this["dead_letters"].name }
    scheduled_machine = {
      for machine in keys(local.due_hours) : machine => local.state_machine_arns[machine]
    }
  }
  alarms = merge([for kind, alarms in local.alarm_kinds : merge([for alarm, settings in alarms : {
    for name, value in local.watched[kind] : "${replace(name, "_", "-")}-${alarm}" => merge(
      { periods = try(local.due_hours[name], 0) }, settings, { value = value }
    )
  }]...)]...)
  alarm_prefix = "${local.values.project}-${local.values.env}"
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${local.alarm_prefix}-${each.key}"
  alarm_description   = each.value.description
  comparison_operator = each.value.comparison
  dimensions          = { (each.value.dimension) = each.value.value }
  evaluation_periods  = each.value.periods
  metric_name         = each.value.metric
  namespace           = each.value.namespace
  period              = each.value.period_seconds
  statistic           = each.value.statistic
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing
  alarm_actions       = each.value.tells_people ? [aws_sns_topic.alerts.arn] : []
}
