output "model_package_group_name" {
  description = "Group that versions are registered in."
  value       = aws_sagemaker_model_package_group.this.model_package_group_name
}

output "model_role_arn" {
  description = "Role that a registered model predicts as."
  value       = module.roles.arns["model"]
}

output "pipeline_arn" {
  description = "The SageMaker pipeline."
  value       = aws_sagemaker_pipeline.this.arn
}

output "pipeline_execution_role_arn" {
  description = "Role that the pipeline and its jobs run as."
  value       = module.roles.arns["pipeline"]
}

output "pipeline_name" {
  description = "Name to start executions by."
  value       = aws_sagemaker_pipeline.this.pipeline_name
}
