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
  root       = module.project.root
  values     = module.project.values
  log_days   = 90
  build_dir  = "${local.root}/build" # where `python -m ops.bundles` writes
  of_serving = ["promotion"]         # machines that 04_serving deploys, with the functions that only they call

  definition_files = {
    for file in fileset("${local.root}/statemachines", "*.asl.json") :
    trimsuffix(file, ".asl.json") => "${local.root}/statemachines/${file}"
  }
  machines = {
    for name, file in local.definition_files : name => {
      name       = module.project.names["${name}_state_machine"]
      definition = templatefile(file, module.project.camel_values)
    } if !contains(local.of_serving, name)
  }
}
