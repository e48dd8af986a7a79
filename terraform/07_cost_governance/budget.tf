resource "aws_budgets_budget" "monthly" {
  name         = "${local.name}-monthly"
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  cost_filter {
    name   = "TagKeyValue"
    values = [for tag, value in local.counted_tags : format("user:%s$%s", tag, value)]
  }

  dynamic "notification" {
    for_each = local.notifications
    content {
      comparison_operator       = "GREATER_THAN"
      notification_type         = notification.value.type
      subscriber_sns_topic_arns = [var.alerts_topic_arn]
      threshold                 = notification.value.percent
      threshold_type            = "PERCENTAGE"
    }
  }
}
