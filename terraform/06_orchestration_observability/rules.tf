# events/rules.json with the patterns of events/patterns/. A rule calls a function, starts a machine or tells the
# topic; what cannot be delivered is set aside.

locals {
  calling  = { for name, rule in local.rules : name => rule if can(rule.function) }
  starting = { for name, rule in local.rules : name => rule if can(rule.state_machine) }

  # EventBridge must see a <value> as it is written. A text is one JSON string for each of its lines.
  inputs = { for name, rule in local.starting : name => jsonencode(rule.input) }
  texts  = { for name, rule in local.rules : name => join("\n", [for line in rule.text : jsonencode(line)]) if can(rule.text) }
  templates = { for name, template in merge(local.inputs, local.texts) :
    name => replace(replace(replace(template, "\\u003c", "<"), "\\u003e", ">"), "\\u0026", "&")
  }
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
  arn       = local.function_arns[each.value.function]
  dead_letter_config {
    arn = aws_sqs_queue.this["dead_letters"].arn
  }
}

resource "aws_lambda_permission" "rule" {
  for_each = local.calling

  statement_id  = aws_cloudwatch_event_rule.this[each.key].name
  action        = "lambda:InvokeFunction"
  function_name = local.function_arns[each.value.function]
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this[each.key].arn
}

resource "aws_cloudwatch_event_target" "state_machine" {
  for_each = local.starting

  rule      = aws_cloudwatch_event_rule.this[each.key].name
  target_id = replace(each.value.state_machine, "_", "-")
  arn       = local.state_machine_arns[each.value.state_machine]
  role_arn  = module.roles.arns[each.value.role]
  dead_letter_config {
    arn = aws_sqs_queue.this["dead_letters"].arn
  }
  input_transformer {
    input_paths    = each.value.values
    input_template = local.templates[each.key]
  }
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
    input_template = local.templates[each.key]
  }
}
