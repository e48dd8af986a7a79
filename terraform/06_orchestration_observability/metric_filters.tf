# What functions log as errors, counted by the error's name. AWS/Lambda only says that there were some; what a
# stage refuses by name (InvalidInput, MetricsUnavailable) is another matter than a mistake in its code.

locals {
  error_filters = {
    NamedErrors      = { pattern = "{ $.level = \"ERROR\" && $.error = * }", name = "$.error" }
    UnexpectedErrors = { pattern = "{ $.level = \"ERROR\" && $.exception_name = * }", name = "$.exception_name" }
  }
  filters = merge([for metric, filter in local.error_filters : {
    for function, deployed in local.names_of : "${metric}-${function}" => merge(filter, { metric = metric, group = "/aws/lambda/${deployed}" })
  }]...)
}

resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each = local.filters

  name           = each.value.metric
  log_group_name = each.value.group
  pattern        = each.value.pattern

  metric_transformation {
    name       = each.value.metric
    namespace  = local.metrics_namespace
    value      = "1"
    dimensions = { error = each.value.name }
  }
}
