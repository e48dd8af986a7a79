# GitHub vouches for its jobs with tokens that live for minutes: no key of ours is stored there. An account holds one
# provider for each address, so whoever has it already says create_identity_provider = false.

resource "aws_iam_openid_connect_provider" "github" {
  for_each = var.create_identity_provider ? toset([local.issuer]) : toset([])

  url            = "https://${each.key}"
  client_id_list = [local.audience]
}

data "aws_iam_openid_connect_provider" "github" {
  for_each = var.create_identity_provider ? toset([]) : toset([local.issuer])

  url = "https://${each.key}"
}
