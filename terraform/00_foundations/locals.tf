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
  buckets = {
    data  = { name = module.project.names.data_bucket, force_destroy = var.destroy_data }
    state = { name = module.project.names.state_bucket, force_destroy = var.destroy_data }
  }

  boundary = jsondecode(templatefile("${module.project.root}/iam/ci/boundary.json", module.project.values))

  # Which requests the buckets refuse, whoever makes them.
  insecure = { Bool = { "aws:SecureTransport" = "false" } }

  # Days until objects below a prefix are deleted. What is not here stays: raw tables, manifests, and
  # pipeline/runtime/, where the artifacts of registered models are.
  expiry_days = {
    curated_runs = { prefix = "curated/runs/", days = 365 }
    monitoring   = { prefix = "monitoring/", days = 90 }
    predictions  = { prefix = "predictions/", days = 730 }
    quarantine   = { prefix = "quarantine/", days = 90 }
    staging      = { prefix = "staging/", days = 7 }
  }
}
