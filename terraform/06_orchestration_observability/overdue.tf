# "No successful retrain in 8 days" cannot be one alarm: CloudWatch looks back seven days at most. So it is two:
# nothing succeeded for seven days, and nothing was started in the last one that still might. A weekly run that
# fails is thus overdue on the eighth day, and one that was never started on the seventh.

locals {
  looks_back_hours = { batch_inference = 24, training = 168 }
  due_hours = { for schedule in local.schedules :
    schedule.state_machine => local.looks_back_hours[schedule.state_machine] if schedule.state == "ENABLED" && can(schedule.state_machine)
  }
}

resource "aws_cloudwatch_composite_alarm" "overdue" {
  for_each = local.due_hours

  alarm_name        = "${local.alarm_prefix}-${replace(each.key, "_", "-")}-overdue"
  alarm_description = "No ${replace(each.key, "_", " ")} run has succeeded for ${each.value / 24 + 1} days, though one is due"
  alarm_actions     = [aws_sns_topic.alerts.arn]
  alarm_rule = join(" AND ", [
    "ALARM(\"${aws_cloudwatch_metric_alarm.this["${replace(each.key, "_", "-")}-no-success"].alarm_name}\")",
    "NOT ALARM(\"${aws_cloudwatch_metric_alarm.this["${replace(each.key, "_", "-")}-started"].alarm_name}\")",
  ])
}
