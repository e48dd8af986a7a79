# alarms.json: what takes an update of prod back. They may be there before the endpoint is: without data they
# are not in alarm. The topic is 06_orchestration_observability's; its name is known before it is made.

locals {
  alarms = jsondecode(templatefile("${path.module}/alarms.json", module.project.values))
  descriptions = { for name, alarm in local.alarms : name => join("\n", concat([alarm.description], [
    for word in ["next", "runbook"] : "${title(word)}: ${alarm[word]}" if can(alarm[word])
  ])) }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = module.project.names["${each.key}_alarm"]
  alarm_description   = local.descriptions[each.key]
  comparison_operator = each.value.comparison
  dimensions          = each.value.dimensions
  evaluation_periods  = each.value.periods
  metric_name         = each.value.metric
  namespace           = each.value.namespace
  period              = each.value.period_seconds
  statistic           = each.value.statistic
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing
  alarm_actions       = each.value.tells_people ? [module.project.values.alerts_topic_arn] : []
}
