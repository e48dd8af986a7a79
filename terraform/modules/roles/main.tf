# One role for each document, with its statements as the role's only, inline policy: a policy that nothing
# else can attach cannot grant anything to anyone else. A service may assume a role on behalf of the document's
# source_account only, where it says on whose behalf: not for another account that names the role (a confused
# deputy). People assume theirs as whoever they are in the account; what they are there must allow it, too.

locals {
  roles = { for name, document in var.documents : name => jsondecode(document) }
  trust = { for name, role in local.roles : name => [for principal in role.assumed_by : merge(
    {
      Effect    = "Allow"
      Principal = { (startswith(principal, "arn:") ? "AWS" : "Service") = principal }
      Action    = "sts:AssumeRole"
    },
    { for key, account in role : "Condition" =>
      { StringEquals = { "aws:SourceAccount" = account } } if key == "source_account"
    },
  )] }
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name                 = format(var.name_pattern, replace(each.key, "_", "-"))
  description          = each.value.description
  permissions_boundary = var.boundary_arn
  assume_role_policy   = jsonencode({ Version = "2012-10-17", Statement = local.trust[each.key] })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.roles

  name   = aws_iam_role.this[each.key].name
  role   = aws_iam_role.this[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = each.value.statements })
}
