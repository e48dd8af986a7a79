# monitor: what the monitoring job runs as. operator: what a data scientist on duty may do. scheduler: what schedules
# start machines as. <rule>_rule: what that rule starts its machine as.
module "roles" {
  source = "../modules/roles"

  boundary_arn = var.boundary_arn
  name_pattern = local.names.role
  documents = {
    for file in setunion(["monitor.json", "operator.json", "scheduler.json"], fileset("${local.root}/iam", "*_rule.json")) :
    trimsuffix(file, ".json") => templatefile("${local.root}/iam/${file}", local.values)
  }
}
