# alerts keeps what was said for `titanic alerts`; dead_letters what a rule, a schedule or the topic could not
# deliver. SQS encrypts both with its own key.

locals {
  queues = { alerts = "alerts_queue", dead_letters = "dead_letter_queue" }
  senders = {
    alerts = [
      { service = "sns", operator = "ArnEquals", source = aws_sns_topic.alerts.arn },
    ]
    dead_letters = [
      { service = "events", operator = "ArnLike", source = local.any_rule_arn },
      { service = "sns", operator = "ArnEquals", source = aws_sns_topic.alerts.arn },
    ]
  }
}

resource "aws_sqs_queue" "this" {
  for_each = local.senders

  name                      = local.names[local.queues[each.key]]
  message_retention_seconds = 1209600 # fourteen days, the longest SQS offers
  sqs_managed_sse_enabled   = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for sender in each.value : {
      Effect    = "Allow"
      Principal = { Service = "${sender.service}.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = local.values["${local.queues[each.key]}_arn"]
      Condition = { (sender.operator) = { "aws:SourceArn" = sender.source } }
    }]
  })
}
