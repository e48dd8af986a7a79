# What the `${placeholders}` of functions, roles, jobs, machines and patterns stand for.

locals {
  arn_prefix = { for service in ["lambda", "sagemaker", "sns", "sqs", "states"] :
    service => "arn:aws:${service}:${local.region}:${var.account_id}"
  }
  single_names = { for key, name in local.names : key => name if !contains(local.one_of_many, key) }
  machine_arns = { for key, name in local.single_names :
    "${key}_arn" => "${local.arn_prefix.states}:stateMachine:${name}" if endswith(key, "_state_machine")
  }
  topic_arns = { for key, name in local.single_names :
    "${key}_arn" => "${local.arn_prefix.sns}:${name}" if endswith(key, "_topic")
  }
  queue_arns = { for key, name in local.single_names :
    "${key}_arn" => "${local.arn_prefix.sqs}:${name}" if endswith(key, "_queue")
  }
  thresholds = { for metric, value in local.raw.thresholds : "${metric}_threshold" => tostring(value) }

  chosen = merge(local.single_names, var.overrides)
  derived = {
    project                  = local.project
    env                      = var.environment
    region                   = local.region
    account_id               = var.account_id
    catalog_database         = replace("${local.project}-${var.environment}", "-", "_")
    endpoint_name_prefix     = format(local.names.endpoint, "")
    model_package_group_name = local.chosen.model_package_group
    pipeline_arn             = "${local.arn_prefix.sagemaker}:pipeline/${local.chosen.pipeline}"
    pipeline_name            = local.chosen.pipeline
    pipeline_role_arn        = "arn:aws:iam::${var.account_id}:role/${format(local.names.role, "pipeline")}"
    prepare_job_name         = local.chosen.prepare_job
  }
  code = var.code_version == null ? {} : {
    code_bundle_uri = "s3://${local.chosen.data_bucket}/pipeline/code/${var.code_version}/pipeline_code.tar.gz"
    job_code_prefix = "glue_jobs/${var.code_version}"
  }
  values = merge(
    local.machine_arns, local.topic_arns, local.queue_arns, local.thresholds, local.code,
    local.derived, local.chosen,
  )

  function_arns = {
    for name, deployed in local.function_names : name => "${local.arn_prefix.lambda}:function:${deployed}"
  }
  camel_values = { for key, value in merge(
    local.values, { for name, arn in local.function_arns : "${name}_function_arn" => arn }
    ) : join("", [for word in split("_", key) : title(word)]) => value
  }
}
