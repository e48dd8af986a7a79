# Functions, machines, their roles and logs, from functions/, statemachines/ and iam/.
module "workflows" {
  source = "../modules/workflows"

  boundary_arn         = var.boundary_arn
  bucket               = var.data_bucket_name
  camel_values         = module.project.camel_values
  function_names       = local.function_names
  powertools_layer_arn = var.powertools_layer_arn
  role_pattern         = module.project.names.role
  root                 = module.project.root
  values               = module.project.values
  machines = {
    for name, machine in local.machines : name => {
      definition_file = machine.definition_file
      name            = module.project.names["${name}_state_machine"]
    }
  }
}
