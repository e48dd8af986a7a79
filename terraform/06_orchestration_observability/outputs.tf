output "alarm_names" {
  description = "Every alarm."
  value = sort(concat(
    [for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name],
    [for alarm in aws_cloudwatch_composite_alarm.this : alarm.alarm_name],
  ))
}

output "alerts_topic_arn" {
  description = "Topic that people subscribe to."
  value       = aws_sns_topic.alerts.arn
}

output "dashboard_name" {
  description = "The dashboard that answers whether it is healthy."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "dead_letter_queue_url" {
  description = "Queue of what could not be delivered."
  value       = aws_sqs_queue.this["dead_letters"].url
}
