locals {
  function_roles = {
    for name, function in local.functions : name => jsonencode({
      description = "What the function ${function.name} may do"
      assumed_by  = ["lambda.amazonaws.com"]
      statements  = function.statements
    })
  }
  machine_roles = {
    for name in keys(var.machines) : "${name}_state_machine" =>
    templatefile("${var.root}/iam/${name}_state_machine.json", var.values)
  }
}

module "roles" {
  source = "../roles"

  boundary_arn = var.boundary_arn
  name_pattern = var.role_pattern
  documents    = merge(local.function_roles, local.machine_roles)
}
