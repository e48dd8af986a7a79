output "function_arns" {
  description = "ARN of each function, by its folder in functions/."
  value       = module.workflows.function_arns
}

output "state_machine_arns" {
  description = "ARN of each state machine, by its file in statemachines/."
  value       = module.workflows.state_machine_arns
}
