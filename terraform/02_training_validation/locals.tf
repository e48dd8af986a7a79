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
  # Every machine and every function, except what 04_serving deploys: promotion, and what only it calls.
  machines     = { for name, machine in module.project.machines : name => machine if name != "promotion" }
  of_promotion = try(module.project.machines.promotion.functions, [])
  only_its_own = setsubtract(local.of_promotion, flatten([for machine in local.machines : machine.functions]))
  function_names = {
    for name, deployed in module.project.function_names : name => deployed if !contains(local.only_its_own, name)
  }
}
