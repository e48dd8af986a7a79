# plan: reads how things are set up. deploy: the same, and changes them. Both are below /ci/, where neither has rights:
# CI cannot widen its own.

resource "aws_iam_policy" "plan" {
  name        = local.role_names.plan
  path        = "/ci/"
  description = local.documents.plan.description
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.documents.plan.statements })
}

resource "aws_iam_role" "this" {
  for_each = local.documents

  name                 = local.role_names[each.key]
  path                 = "/ci/"
  description          = each.value.description
  assume_role_policy   = jsonencode(local.trust[each.key])
  max_session_duration = 7200 # a deployment with its trial run
}

resource "aws_iam_role_policy_attachment" "plan" {
  for_each = aws_iam_role.this

  role       = each.value.name
  policy_arn = aws_iam_policy.plan.arn
}

resource "aws_iam_role_policy" "deploy" {
  name   = aws_iam_role.this["deploy"].name
  role   = aws_iam_role.this["deploy"].id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.documents.deploy.statements })
}
