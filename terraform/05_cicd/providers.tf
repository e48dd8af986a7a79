provider "aws" {
  region  = module.project.region
  profile = var.aws_profile

  default_tags {
    tags = module.project.tags
  }
}
