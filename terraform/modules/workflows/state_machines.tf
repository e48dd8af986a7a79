resource "aws_sfn_state_machine" "this" {
  # checkov:skip=CKV_AWS_285:failures are logged; every input and output is in the history of the execution for 90 days
  for_each = var.machines

  name       = each.value.name
  definition = templatefile(each.value.definition_file, var.camel_values)
  role_arn   = module.roles.arns["${each.key}_state_machine"]

  # Failures only, without data: inputs and outputs are in the execution's own history.
  logging_configuration {
    include_execution_data = false
    level                  = "ERROR"
    log_destination        = "${aws_cloudwatch_log_group.this["${each.key}_state_machine"].arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  depends_on = [aws_lambda_function.this]
}
