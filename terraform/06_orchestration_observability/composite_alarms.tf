# Alarms made of others. "No successful retrain in 8 days" cannot be one alarm, because CloudWatch looks back
# seven days at most: nothing succeeded for seven days, nothing was started in the last one that still might,
# and something has succeeded before (a new environment is not overdue). A weekly run that fails is thus overdue
# on the eighth day, and one that was never started on the seventh.

locals {
  switched_on = { for schedule in local.schedules : schedule.state_machine => schedule.state == "ENABLED" if can(schedule.state_machine) }

  composite_alarms = merge([for kind, group in local.alarm_file.composite : merge([
    for thing in keys(local.alarm_file.metric[kind].things) : {
      for alarm, settings in group : "${replace(thing, "_", "-")}-${alarm}" => merge(settings, {
        description = "${settings.description}\nNext: ${settings.next}\nRunbook: ${settings.runbooks[thing]}"
        rule        = replace(settings.rule, "<thing>", "${local.alarm_prefix}-${replace(thing, "_", "-")}")
        on          = try(settings.follows_schedule, false) ? local.switched_on[thing] : true
      })
    }
  ]...)]...)
}

resource "aws_cloudwatch_composite_alarm" "this" {
  for_each = local.composite_alarms

  alarm_name        = "${local.alarm_prefix}-${each.key}"
  alarm_description = each.value.description
  actions_enabled   = each.value.on
  alarm_actions     = each.value.tells_people ? [aws_sns_topic.alerts.arn] : []
  alarm_rule        = each.value.rule

  depends_on = [aws_cloudwatch_metric_alarm.this]

  # One that follows a schedule is switched with it, by `titanic schedule enable|disable`.
  lifecycle {
    ignore_changes = [actions_enabled]
  }
}
