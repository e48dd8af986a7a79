# Is it healthy? Alarms on top, then runs, functions and what could not be delivered.

locals {
  region = module.project.region
  widgets = concat(
    [{
      type = "alarm", width = 24, height = 4, properties = {
        title = "Alarms"
        alarms = concat(
          [for alarm in aws_cloudwatch_composite_alarm.overdue : alarm.arn],
          [for name in var.serving_alarm_names : "arn:aws:cloudwatch:${local.in_account}:alarm:${name}"],
          [for key, alarm in aws_cloudwatch_metric_alarm.this : alarm.arn if !contains(keys(local.halves), key)],
        )
      }
    }],
    [for machine, arn in local.state_machine_arns : {
      type = "metric", width = 12, height = 6, properties = {
        title = "Runs: ${replace(machine, "_", " ")}", region = local.region, stat = "Sum", period = 86400
        metrics = [for metric in ["ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"] :
          ["AWS/States", metric, "StateMachineArn", arn]
        ]
      }
    }],
    [for title, metric in { "Function errors" = "Errors", "Function throttles" = "Throttles" } : {
      type = "metric", width = 12, height = 6, properties = {
        title   = title, region = local.region, stat = "Sum", period = 3600
        metrics = [for name in values(local.names_of) : ["AWS/Lambda", metric, "FunctionName", name]]
      }
    }],
    [{
      type = "metric", width = 12, height = 6, properties = {
        title = "Seconds of a prepared table", region = local.region, stat = "Maximum", period = 86400
        metrics = [for name in values(var.job_names) :
          ["Glue", "glue.driver.aggregate.elapsedTime", "JobName", name, "JobRunId", "ALL", "Type", "count"]
        ]
      }
      }, {
      type = "metric", width = 12, height = 6, properties = {
        title   = "Waiting in the dead letter queue", region = local.region, stat = "Maximum", period = 300
        metrics = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.names.dead_letter_queue]]
      }
    }],
  )
  halves = { for key, alarm in local.alarms : key => alarm if endswith(key, "-no-success") || endswith(key, "-started") }
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = local.alarm_prefix
  dashboard_body = jsonencode({ widgets = local.widgets })
}
