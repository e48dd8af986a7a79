output "arns" {
  description = "ARN of each role, known once the role may do what its policy says."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
  depends_on  = [aws_iam_role_policy.this]
}
