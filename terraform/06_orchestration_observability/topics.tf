# The topic people subscribe to. Services may publish through this policy, roles through their own.

locals {
  publishers = {
    budgets    = { ArnLike = { "aws:SourceArn" = "arn:aws:budgets::${local.values.account_id}:budget/*" } }
    cloudwatch = { ArnLike = { "aws:SourceArn" = local.any_alarm_arn } }
    costalerts = { StringEquals = { "aws:SourceAccount" = local.values.account_id } }
    events     = { ArnLike = { "aws:SourceArn" = local.any_rule_arn } }
  }
}

resource "aws_sns_topic" "alerts" {
  # checkov:skip=CKV_AWS_26:with the key alias/aws/sns neither CloudWatch nor EventBridge nor Budgets could publish; alerts hold no rows of data
  name = local.names.alerts_topic
}

resource "aws_sns_topic_policy" "alerts" {
  arn = aws_sns_topic.alerts.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for service, condition in local.publishers : {
      Effect    = "Allow"
      Principal = { Service = "${service}.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.alerts.arn
      Condition = condition
    }]
  })
}

resource "aws_sns_topic_subscription" "alerts_queue" {
  topic_arn      = aws_sns_topic.alerts.arn
  protocol       = "sqs"
  endpoint       = aws_sqs_queue.this["alerts"].arn
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.this["dead_letters"].arn })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.alert_emails

  topic_arn      = aws_sns_topic.alerts.arn
  protocol       = "email"
  endpoint       = each.key
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.this["dead_letters"].arn })
}
