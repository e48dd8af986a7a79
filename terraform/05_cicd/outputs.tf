output "code_bundle_prefix" {
  description = "Where CI publishes the code of each commit: <prefix>/<version>/pipeline_code.tar.gz."
  value       = "s3://${var.data_bucket_name}/pipeline/code"
}

output "deploy_role_arn" {
  description = "Role of jobs that deploy: the variable AWS_DEPLOY_ROLE of the GitHub environment."
  value       = aws_iam_role.this["deploy"].arn
}

output "plan_role_arn" {
  description = "Role of jobs that only look: the variable AWS_PLAN_ROLE of the GitHub repository."
  value       = aws_iam_role.this["plan"].arn
}
