# Reads the files that describe the project, as `ops/names.py` and `ops/stack/base.py` do. No resources, no
# provider: every stage calls it, so a name or a placeholder is spelled in one place.

locals {
  root    = abspath("${path.module}/../../..")
  file    = "${local.root}/project.json"
  raw     = jsondecode(file(local.file))
  project = coalesce(var.project_name, local.raw.project)
  region  = coalesce(var.region, local.raw.region)

  # A pattern that holds its own key names one of many and keeps the place: format(names.role, "pipeline").
  one_of_many = [for key, pattern in local.raw.names : key if strcontains(pattern, "$${${key}}")]
  places      = { for kind in local.one_of_many : kind => "%s" }
  identity    = { project = local.project, env = var.environment, account_id = var.account_id }
  names       = jsondecode(templatefile(local.file, merge(local.identity, local.places))).names

  # Rendered without the account: the provider's default tags must not wait for it.
  file_tags = jsondecode(templatefile(local.file, merge(local.places, {
    project = local.project, env = var.environment, account_id = ""
  }))).tags

  functions = keys(jsondecode(file("${local.root}/functions/functions.json")).functions)
  function_names = {
    for name in local.functions : name => format(local.names.function, replace(name, "_", "-"))
  }
}
