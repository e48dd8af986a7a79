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
  # The promotion machine, and the functions that no other machine calls.
  machines     = { for name, machine in module.project.machines : name => machine if name == "promotion" }
  others       = [for name, machine in module.project.machines : machine.functions if name != "promotion"]
  only_its_own = setsubtract(flatten([for machine in local.machines : machine.functions]), flatten(local.others))
  function_names = {
    for name, deployed in module.project.function_names : name => deployed if contains(local.only_its_own, name)
  }
}
