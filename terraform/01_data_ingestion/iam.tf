module "roles" {
  source = "../modules/roles"

  boundary_arn = var.boundary_arn
  name_pattern = module.project.names.role
  documents = {
    for job in keys(local.job_names) :
    "${job}_job" => templatefile("${local.root}/iam/${job}_job.json", local.values)
  }
}
