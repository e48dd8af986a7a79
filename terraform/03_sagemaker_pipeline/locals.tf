data "aws_caller_identity" "current" {}

module "project" {
  source = "../modules/project"

  account_id   = data.aws_caller_identity.current.account_id
  cost_center  = var.cost_center
  environment  = var.environment
  overrides    = local.chosen_names
  owner        = var.owner
  project_name = var.project_name
  region       = var.aws_region
}

locals {
  root   = module.project.root
  values = module.project.values
  chosen_names = { for key, name in {
    data_bucket         = var.data_bucket_name
    model_package_group = var.model_package_group_name
    pipeline            = var.pipeline_name
  } : key => name if name != null }

  accuracy = coalesce(var.quality_threshold_accuracy, tonumber(local.values.accuracy_threshold))

  # Defaults of executions that somebody starts by hand; the training machine passes its run's own.
  parameter_defaults = { AccuracyThreshold = local.accuracy, CodeBundleUri = var.code_bundle_uri }
  template           = jsondecode(templatefile("${path.module}/pipeline_definition.json.tpl", local.values))
  definition = jsonencode(merge(local.template, {
    Parameters = [for parameter in local.template.Parameters : merge(
      parameter, { for name, value in local.parameter_defaults : "DefaultValue" => value if name == parameter.Name }
    )]
  }))
}
