# Under the version they are of: a run that is going on keeps the code it started with.
resource "aws_s3_object" "job_code" {
  for_each = local.job_files

  bucket      = var.data_bucket_name
  key         = "${local.values.job_code_prefix}/${each.key}"
  source      = "${local.build_dir}/glue_jobs/${each.key}"
  source_hash = filemd5("${local.build_dir}/glue_jobs/${each.key}")
}
