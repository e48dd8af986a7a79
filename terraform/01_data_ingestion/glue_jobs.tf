resource "aws_glue_job" "this" {
  # checkov:skip=CKV_AWS_195:a security configuration is about KMS keys, and there is none; the bucket encrypts what the job writes
  for_each = local.jobs

  name              = each.value.name
  description       = each.value.description
  role_arn          = module.roles.arns["${each.key}_job"]
  default_arguments = each.value.default_arguments
  glue_version      = each.value.glue_version
  max_retries       = each.value.max_retries
  number_of_workers = each.value.number_of_workers
  timeout           = each.value.timeout_minutes
  worker_type       = each.value.worker_type

  command {
    name            = each.value.command.name
    python_version  = each.value.command.python_version
    script_location = "s3://${var.data_bucket_name}/${local.values.job_code_prefix}/${each.key}.py"
  }

  execution_property {
    max_concurrent_runs = each.value.max_concurrent_runs
  }

  depends_on = [aws_s3_object.job_code]
}
