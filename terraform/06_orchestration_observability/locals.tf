data "aws_caller_identity" "current" {}

module "project" {
  source = "../modules/project"

  account_id  = data.aws_caller_identity.current.account_id
  cost_center = var.cost_center
  environment = var.environment
  overrides   = { data_bucket = var.data_bucket_name, pipeline = var.pipeline_name }
  owner       = var.owner
  region      = var.aws_region
}

locals {
  root   = module.project.root
  names  = module.project.names
  values = module.project.values

  function_arns      = merge(var.function_arns, var.serving_function_arns)
  state_machine_arns = merge(var.state_machine_arns, var.serving_state_machine_arns)

  rules     = jsondecode(file("${local.root}/events/rules.json"))
  schedules = jsondecode(file("${local.root}/events/schedules.json"))

  rule_names     = { for rule in keys(local.rules) : rule => format(local.names.rule, replace(rule, "_", "-")) }
  schedule_names = { for key in keys(local.schedules) : key => format(local.names.schedule, replace(key, "_", "-")) }

  in_account    = "${module.project.region}:${local.values.account_id}"
  any_rule_arn  = "arn:aws:events:${local.in_account}:rule/${format(local.names.rule, "*")}"
  any_alarm_arn = "arn:aws:cloudwatch:${local.in_account}:alarm:${local.values.project}-${local.values.env}-*"
}
