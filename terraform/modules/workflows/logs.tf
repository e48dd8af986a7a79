# Made here and not by the first invocation, so that they have a retention and end with the stage.
# Step Functions writes only below /aws/vendedlogs/ without growing a resource policy for each group.

locals {
  log_groups = merge(
    { for name, function in local.functions : name => "/aws/lambda/${function.name}" },
    { for name, machine in var.machines : "${name}_state_machine" => "/aws/vendedlogs/states/${machine.name}" },
  )
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.log_groups

  name              = each.value
  retention_in_days = 90
}
