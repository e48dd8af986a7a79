# pipeline: what the pipeline and its jobs run as. model: what a registered model predicts as.
module "roles" {
  source = "../modules/roles"

  boundary_arn = var.boundary_arn
  name_pattern = module.project.names.role
  documents = {
    for role in ["model", "pipeline"] : role => templatefile("${local.root}/iam/${role}.json", local.values)
  }
}
