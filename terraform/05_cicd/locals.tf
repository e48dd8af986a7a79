data "aws_caller_identity" "current" {}

module "project" {
  source = "../modules/project"

  account_id  = data.aws_caller_identity.current.account_id
  cost_center = var.cost_center
  environment = var.environment
  overrides   = { data_bucket = var.data_bucket_name, state_bucket = var.state_bucket_name }
  owner       = var.owner
  region      = var.aws_region
}

locals {
  issuer   = "token.actions.githubusercontent.com"
  audience = "sts.amazonaws.com"
  provider_arn = one(concat(
    [for made in aws_iam_openid_connect_provider.github : made.arn],
    [for found in data.aws_iam_openid_connect_provider.github : found.arn],
  ))

  documents = {
    for name in ["deploy", "plan"] :
    name => jsondecode(templatefile("${module.project.root}/iam/ci/${name}.json", module.project.values))
  }
  trust = jsondecode(templatefile("${module.project.root}/iam/ci/trust.json", {
    audience = local.audience, env = var.environment, issuer = local.issuer
    provider = local.provider_arn, repository = var.github_repository
  }))
  role_names = { for name in keys(local.documents) : name => format(module.project.names.role, "ci-${name}") }
}
