resource "aws_sagemaker_model_package_group" "this" {
  model_package_group_name        = local.values.model_package_group
  model_package_group_description = "Versions of the model that ${local.values.pipeline} trains"
}
