# events/rules.json with the patterns of events/patterns/. A rule calls a function or tells the topic; what
# cannot be delivered is set aside.

locals {
  calling = { for name, rule in local.rules : name => rule if can(rule.function) }

  # One JSON string per line: EventBridge sends each as a line of text. It must see <name> as it is written.
  texts = { for name, rule in local.rules : name => join("\n", [
    for line in rule.text : replace(replace(replace(
    jsonencode(line), "\\u003c", "<"), "\\u003e", ">"), "\\u0026", "&")
  ]) if can(rule.text) }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.rules

  name          = local.rule_names[each.key]
  description   = each.value.description
  event_pattern = templatefile("${local.root}/events/patterns/${each.key}.json", module.project.camel_values)
}

resource "aws_cloudwatch_event_target" "function" {
  for_each = local.calling

  rule      = aws_cloudwatch_event_rule.this[each.key].name
  target_id = replace(each.value.function, "_", "-")
  arn       = var.function_arns[each.value.function]
  dead_letter_config {
    arn = aws_sqs_queue.this["dead_letters"].arn
  }
}

resource "aws_lambda_permission" "rule" {
  for_each = local.calling

  statement_id  = aws_cloudwatch_event_rule.this[each.key].name
  action        = "lambda:InvokeFunction"
  function_name = var.function_arns[each.value.function]
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this[each.key].arn
}

resource "aws_cloudwatch_event_target" "topic" {
  for_each = local.texts

  rule      = aws_cloudwatch_event_rule.this[each.key].name
  target_id = "alerts-topic"
  arn       = aws_sns_topic.alerts.arn
  dead_letter_config {
    arn = aws_sqs_queue.this["dead_letters"].arn
  }
  input_transformer {
    input_paths    = local.rules[each.key].values
    input_template = each.value
  }
}
