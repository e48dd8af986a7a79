output "serving_alarm_names" {
  description = "Alarms on the endpoint of prod, which take an update of it back."
  value       = [for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name]
}

output "serving_function_arns" {
  description = "ARN of each function that only the promotion calls, by its folder in functions/."
  value       = module.workflows.function_arns
}

output "serving_state_machine_arns" {
  description = "ARN of the promotion machine, by its file in statemachines/."
  value       = module.workflows.state_machine_arns
}
