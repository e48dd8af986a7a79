# One role for each document, with its statements as the role's only, inline policy: a policy that nothing
# else can attach cannot grant anything to anyone else.

locals {
  roles = { for name, document in var.documents : name => jsondecode(document) }
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name        = format(var.name_pattern, replace(each.key, "_", "-"))
  description = each.value.description
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for service in each.value.assumed_by : {
      Effect = "Allow", Principal = { Service = service }, Action = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.roles

  name   = aws_iam_role.this[each.key].name
  role   = aws_iam_role.this[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = each.value.statements })
}
