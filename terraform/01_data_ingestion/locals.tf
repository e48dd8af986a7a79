data "aws_caller_identity" "current" {}

module "project" {
  source = "../modules/project"

  account_id   = data.aws_caller_identity.current.account_id
  code_version = var.code_version
  cost_center  = var.cost_center
  environment  = var.environment
  overrides    = { data_bucket = var.data_bucket_name }
  owner        = var.owner
  region       = var.aws_region
}

locals {
  root      = module.project.root
  values    = module.project.values
  build_dir = "${local.root}/build" # where `python -m ops.bundles` writes

  # Each file glue_jobs/<name>.json describes the job whose script is glue_jobs/<name>.py.
  job_names = { prepare = module.project.values.prepare_job }
  jobs = {
    for job, name in local.job_names : job => merge(
      jsondecode(templatefile("${local.root}/glue_jobs/${job}.json", local.values)), { name = name }
    )
  }
  job_files = fileset("${local.build_dir}/glue_jobs", "*")
}
