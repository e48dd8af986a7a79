# alarms.json says what is watched; here it meets the things there are. An alarm tells people only where nobody
# else does: a run that fails sends its own message, and one failure should be one message.

locals {
  alarm_file   = jsondecode(templatefile("${path.module}/alarms.json", local.values))
  alarm_prefix = "${local.values.project}-${local.values.env}"

  callers  = concat(values(local.rules), values(local.schedules))
  alone    = toset([for caller in local.callers : caller.function if can(caller.function)])
  names_of = { for name, arn in local.function_arns : name => element(split(":", arn), 6) }
  functions_of = {
    machine_function = { for name, deployed in local.names_of : name => deployed if !contains(local.alone, name) }
    lone_function    = { for name, deployed in local.names_of : name => deployed if contains(local.alone, name) }
  }

  metric_alarms = merge([for kind, group in local.alarm_file.metric : merge([
    for thing, value in try(group.things, local.functions_of[kind]) : {
      for alarm, settings in group.alarms : "${replace(thing, "_", "-")}-${alarm}" => merge(settings, {
        description = join("\n", concat([settings.description], [
          for word in ["next", "runbook"] : "${title(word)}: ${replace(settings[word], "<thing>", value)}" if can(settings[word])
        ]))
        dimensions = { for name, text in group.dimensions : name => replace(text, "<thing>", value) }
        periods    = try(settings.periods_of[thing], settings.periods)
      })
    }
  ]...)]...)
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.metric_alarms

  alarm_name          = "${local.alarm_prefix}-${each.key}"
  alarm_description   = each.value.description
  comparison_operator = each.value.comparison
  dimensions          = each.value.dimensions
  evaluation_periods  = each.value.periods
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  metric_name         = each.value.metric
  namespace           = each.value.namespace
  period              = each.value.period_seconds
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing
  alarm_actions       = each.value.tells_people ? [aws_sns_topic.alerts.arn] : []
}
