# Learns what the project's days cost and tells what sticks out, long before a month's budget would.

locals {
  anomalies = var.watch_anomalies ? { (local.name) = var.anomaly_usd } : {}
}

resource "aws_ce_anomaly_monitor" "this" {
  for_each = local.anomalies

  name         = each.key
  monitor_type = "CUSTOM"
  monitor_specification = jsonencode({
    And = [for tag, value in local.counted_tags : {
      Tags       = { Key = tag, Values = [value], MatchOptions = null }, And = null, CostCategories = null
      Dimensions = null, Not = null, Or = null
    }]
    CostCategories = null, Dimensions = null, Not = null, Or = null, Tags = null
  })
}

resource "aws_ce_anomaly_subscription" "this" {
  for_each = local.anomalies

  name             = each.key
  frequency        = "IMMEDIATE"
  monitor_arn_list = [aws_ce_anomaly_monitor.this[each.key].arn]

  subscriber {
    type    = "SNS"
    address = var.alerts_topic_arn
  }

  threshold_expression {
    dimension {
      key           = "ANOMALY_TOTAL_IMPACT_ABSOLUTE"
      match_options = ["GREATER_THAN_OR_EQUAL"]
      values        = [tostring(each.value)]
    }
  }
}
