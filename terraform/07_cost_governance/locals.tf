data "aws_caller_identity" "current" {}

module "project" {
  source = "../modules/project"

  account_id  = data.aws_caller_identity.current.account_id
  cost_center = var.cost_center
  environment = var.environment
  owner       = var.owner
  region      = var.aws_region
}

locals {
  name = "${module.project.values.project}-${module.project.values.env}"

  # Cost is counted by tag. Both must be activated once as cost allocation tags, in the billing account.
  counted_tags = { for tag in ["env", "project"] : tag => module.project.tags[tag] }

  # A forecast of 100 % comes early enough to act; the others say how far it has come.
  notifications = {
    "actual-80"      = { type = "ACTUAL", percent = 80 }
    "actual-100"     = { type = "ACTUAL", percent = 100 }
    "forecasted-100" = { type = "FORECASTED", percent = 100 }
  }
}
