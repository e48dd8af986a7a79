resource "aws_sagemaker_pipeline" "this" {
  pipeline_name         = local.values.pipeline
  pipeline_display_name = local.values.pipeline
  pipeline_description  = "Preprocess, train, evaluate; register what reaches the accuracy threshold"
  pipeline_definition   = local.definition
  role_arn              = module.roles.arns["pipeline"]

  lifecycle {
    precondition {
      condition     = strcontains(local.definition, "\"ModelApprovalStatus\":\"${var.model_approval_status}\"")
      error_message = "pipeline_definition.json.tpl registers versions with another status than ${var.model_approval_status}."
    }
  }

  depends_on = [aws_sagemaker_model_package_group.this]
}
