output "boundary_arn" {
  description = "Policy that bounds every role of later stages."
  value       = aws_iam_policy.boundary.arn
}

output "data_bucket_name" {
  description = "Bucket of everything that runs read and write."
  value       = aws_s3_bucket.this["data"].id
}

output "state_bucket_name" {
  description = "Bucket for the stages' Terraform states: see backend.tf.example."
  value       = aws_s3_bucket.this["state"].id
}
