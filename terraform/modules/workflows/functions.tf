# functions/functions.json as each function reads it: what all share names the function's own log group.

locals {
  functions_file = "${var.root}/functions/functions.json"
  functions_read = {
    for name, deployed in var.function_names : name => jsondecode(
      templatefile(local.functions_file, merge(var.values, { function_name = deployed }))
    )
  }
  functions = {
    for name, read in local.functions_read : name => merge(
      read.defaults, read.functions[name], {
        name        = var.function_names[name]
        environment = merge(read.defaults.environment, lookup(read.functions[name], "environment", {}))
        statements  = concat(read.defaults.statements, read.functions[name].statements)
        archive     = "${var.root}/build/functions/${name}.zip" # where `python -m ops.bundles` writes
      }
    )
  }
  layer_parameters = toset(jsondecode(file(local.functions_file)).defaults.layers_from_ssm)
  layers = var.powertools_layer_arn == null ? [
    for parameter in data.aws_ssm_parameter.layer : parameter.insecure_value
  ] : compact([var.powertools_layer_arn])
}

# Named by content: a commit updates only the functions whose bytes it changes. By way of S3, because the
# provider sends archives of its own one function after the other, with five seconds' wait for each.
resource "aws_s3_object" "archive" {
  for_each = local.functions

  bucket = var.bucket
  key    = "functions/${each.key}/${filesha256(each.value.archive)}.zip"
  source = each.value.archive
}

# AWS publishes the ARN of its Powertools layer, which holds the libraries that the archives leave out, in a
# public parameter. A cloud that has no such parameter is told to do without: powertools_layer_arn = "".
data "aws_ssm_parameter" "layer" {
  for_each = var.powertools_layer_arn == null ? local.layer_parameters : toset([])

  name = each.key
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_50:tracing is on: functions.json says mode Active
  # checkov:skip=CKV_AWS_115:one state calls each function, and a reserved share would be taken from the account
  # checkov:skip=CKV_AWS_116:states call them and wait for the answer; what a rule calls has the dead letter queue of its rule
  # checkov:skip=CKV_AWS_117:they call AWS APIs only; a VPC would add endpoints to pay and nothing to protect
  # checkov:skip=CKV_AWS_173:the environment holds names and thresholds, no secrets; AWS encrypts it with a key of its own
  # checkov:skip=CKV_AWS_272:archives are built by CI from a commit, named by their content and written by CI alone
  for_each = local.functions

  function_name    = each.value.name
  description      = each.value.description
  architectures    = each.value.architectures
  handler          = "functions.${each.key}.handler.handler"
  layers           = local.layers
  memory_size      = each.value.memory_size
  role             = module.roles.arns[each.key]
  runtime          = each.value.runtime
  s3_bucket        = var.bucket
  s3_key           = aws_s3_object.archive[each.key].key
  source_code_hash = filebase64sha256(each.value.archive)
  timeout          = each.value.timeout

  environment {
    variables = each.value.environment
  }

  tracing_config {
    mode = each.value.tracing
  }

  depends_on = [aws_cloudwatch_log_group.this]
}
