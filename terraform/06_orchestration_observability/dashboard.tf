# Is it healthy? The first row answers: an alarm there is red, or nothing needs anybody. Then what happened:
# runs, stages, the pipeline, the endpoint of prod, what could not be delivered.

locals {
  region            = module.project.region
  metrics_namespace = "TitanicSagemaker" # functions/common/observability.py
  prod              = ["EndpointName", format(local.names.endpoint, "prod"), "VariantName", "AllTraffic"]

  alarm_arns = merge(
    { for key, alarm in aws_cloudwatch_metric_alarm.this : key => alarm.arn },
    { for key, alarm in aws_cloudwatch_composite_alarm.this : key => alarm.arn },
  )
  tells_people = merge(
    { for key, alarm in local.metric_alarms : key => alarm.tells_people },
    { for key, alarm in local.composite_alarms : key => alarm.tells_people },
  )
  # Alarms that others are made of: some are red when all is well.
  parts = [for key in keys(local.metric_alarms) : key if anytrue([
    for alarm in local.composite_alarms : strcontains(alarm.rule, "\"${local.alarm_prefix}-${key}\"")
  ])]

  alarm_rows = {
    "Somebody must look" = concat(
      [for name in var.serving_alarm_names : "arn:aws:cloudwatch:${local.in_account}:alarm:${name}"],
      [for key, arn in local.alarm_arns : arn if local.tells_people[key]],
    )
    "Counted: the run itself has told people" = [
      for key, arn in local.alarm_arns : arn if !local.tells_people[key] && !contains(local.parts, key)
    ]
  }

  # title => period, statistic, metrics
  charts = merge(
    { for machine, arn in local.state_machine_arns : "Runs a day: ${replace(machine, "_", " ")}" => {
      period = 86400, stat = "Sum", metrics = [
        for metric in ["ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"] :
        ["AWS/States", metric, "StateMachineArn", arn]
      ]
    } },
    { for metric in ["Success", "Failure"] : "Stages a day: ${lower(metric)}" => {
      period = 86400, stat = "Sum", metrics = [[{
        expression = "SEARCH('{${local.metrics_namespace},service,stage} MetricName=\"${metric}\"', 'Sum', 86400)"
      }]]
    } },
    {
      "Seconds of a stage" = { period = 3600, stat = "p95", metrics = [[{
        expression = "SEARCH('{${local.metrics_namespace},service,stage} MetricName=\"Duration\"', 'p95', 3600) / 1000"
      }]] }
      "Errors by name" = { period = 86400, stat = "Sum", metrics = [for metric in keys(local.error_filters) : [{
        expression = "SEARCH('{${local.metrics_namespace},error} MetricName=\"${metric}\"', 'Sum', 86400)"
      }]] }
      "Pipeline executions a day" = { period = 86400, stat = "Sum", metrics = [
        for metric in ["ExecutionSucceeded", "ExecutionFailed", "ExecutionStopped"] :
        ["AWS/Sagemaker/ModelBuildingPipeline", metric, "PipelineName", var.pipeline_name]
      ] }
      "Seconds of a prepared table" = { period = 86400, stat = "Maximum", metrics = [for name in values(var.job_names) :
        ["Glue", "glue.driver.aggregate.elapsedTime", "JobName", name, "JobRunId", "ALL", "Type", "count"]
      ] }
      "Prod: requests and errors" = { period = 300, stat = "Sum", metrics = [
        for metric in ["Invocations", "Invocation4XXErrors", "Invocation5XXErrors"] : concat(["AWS/SageMaker", metric], local.prod)
      ] }
      "Prod: microseconds in the model" = { period = 300, stat = "p50", metrics = [
        for stat in ["p50", "p95", "p99"] : concat(["AWS/SageMaker", "ModelLatency"], local.prod, [{ stat = stat }])
      ] }
      "Function errors" = { period = 3600, stat = "Sum", metrics = [
        for name in values(local.names_of) : ["AWS/Lambda", "Errors", "FunctionName", name]
      ] }
      "Waiting in the dead letter queue" = { period = 300, stat = "Maximum", metrics = [
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.names.dead_letter_queue]
      ] }
    },
  )
  widgets = concat(
    [for title, arns in local.alarm_rows : {
      type = "alarm", width = 24, height = 4, properties = { title = title, alarms = arns }
    }],
    [for title, chart in local.charts : {
      type = "metric", width = 8, height = 6, properties = merge(chart, { title = title, region = local.region })
    }],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = local.alarm_prefix
  dashboard_body = jsonencode({ widgets = local.widgets })
}
