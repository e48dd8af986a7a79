output "camel_values" {
  description = "The values by CamelCase names, with the functions' ARNs: what machines and patterns take."
  value       = local.camel_values
}

output "function_arns" {
  description = "ARN of each function of functions.json."
  value       = local.function_arns
}

output "function_names" {
  description = "Deployed name of each function of functions.json."
  value       = local.function_names
}

output "machines" {
  description = "Each machine of statemachines/: its definition_file and the functions it calls."
  value       = local.machines
}

output "names" {
  description = "Every name of project.json; those of one of many (role, rule, ...) are patterns for format()."
  value       = local.names
}

output "region" {
  description = "Where the resources are."
  value       = local.region
}

output "root" {
  description = "The repository's root folder."
  value       = local.root
}

output "tags" {
  description = "The five tags that every resource must bear."
  value       = merge(local.file_tags, { cost_center = var.cost_center, owner = var.owner })
}

output "values" {
  description = "Values of the placeholders in functions.json, iam/, glue_jobs/ and the pipeline's template."
  value       = local.values
}
