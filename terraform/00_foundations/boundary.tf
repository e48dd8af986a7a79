# The limit of every role that later stages make. CI writes those roles' policies, so it must not be able to write
# this one: that takes a person, and so does the path /ci/, below which CI has no rights at all.
resource "aws_iam_policy" "boundary" {
  name        = module.project.names.boundary
  path        = "/ci/"
  description = local.boundary.description
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.boundary.statements })
}
