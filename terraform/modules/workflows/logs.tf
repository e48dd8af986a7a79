# Made here and not by the first invocation, so that they have a retention and end with the stage.
# Step Functions writes only below /aws/vendedlogs/ without growing a resource policy for each group.

locals {
  log_groups = merge(
    { for name, function in local.functions : name => "/aws/lambda/${function.name}" },
    { for name, machine in var.machines : "${name}_state_machine" => "/aws/vendedlogs/states/${machine.name}" },
  )
}

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158:logs name runs and errors, no rows; AWS encrypts them with a key of its own
  # checkov:skip=CKV_AWS_338:what a run did is in its manifest for good; logs serve the search for errors, and 90 days are enough
  for_each = local.log_groups

  name              = each.value
  retention_in_days = 90
}
