locals {
  function_roles = {
    for name, function in local.functions : name => jsonencode({
      description = "What the function ${function.name} may do"
      assumed_by  = ["lambda.amazonaws.com"]
      statements  = function.statements
    })
  }
  machine_roles = {
    for name in keys(local.machines) : "${name}_state_machine" =>
    templatefile("${local.root}/iam/${name}_state_machine.json", local.values)
  }
}

module "roles" {
  source = "../modules/roles"

  name_pattern = module.project.names.role
  documents    = merge(local.function_roles, local.machine_roles)
}
