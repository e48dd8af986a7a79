# What rules and schedules call, nobody waits for: Lambda tries it twice more and then sets it aside, with the event
# and the error. The target's own dead letter queue is for events that Lambda would not take.

resource "aws_lambda_function_event_invoke_config" "this" {
  for_each = local.alone

  function_name                = local.function_arns[each.key]
  maximum_event_age_in_seconds = 21600 # AWS's own default; left unsaid, every plan would want to change it
  destination_config {
    on_failure {
      destination = aws_sqs_queue.this["dead_letters"].arn
    }
  }
}
