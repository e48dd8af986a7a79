output "function_arns" {
  description = "ARN of each function, by its folder in functions/."
  value       = { for name, function in aws_lambda_function.this : name => function.arn }
}

output "state_machine_arns" {
  description = "ARN of each state machine, by its file in statemachines/."
  value       = { for name, machine in aws_sfn_state_machine.this : name => machine.arn }
}
