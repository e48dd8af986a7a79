resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV_AWS_18:access logs need a third bucket and nobody to read them; CloudTrail data events can be switched on when somebody asks
  # checkov:skip=CKV_AWS_144:a second region doubles the price of data that raw/ can be delivered again to rebuild
  # checkov:skip=CKV_AWS_145:SSE-S3 encrypts at no cost; the README says when a key of our own pays
  # checkov:skip=CKV2_AWS_61:lifecycle.tf has the rules of the data bucket; states are kept with all their versions
  # checkov:skip=CKV2_AWS_62:runs are started by schedules and events of services, none by an object
  for_each = local.buckets

  bucket        = each.value.name
  force_destroy = each.value.force_destroy
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id
  versioning_configuration {
    status = "Enabled"
  }
}

# S3's own key: encrypted at rest at no cost. A KMS key would add a price per request and a grant in every
# role, and would pay only where the key itself must be revocable or its use audited.
resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = aws_s3_bucket.this

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_policy" "tls_only" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "RefuseUnencryptedTransport"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [each.value.arn, "${each.value.arn}/*"]
      Condition = local.insecure
    }]
  })
  depends_on = [aws_s3_bucket_public_access_block.this]
}
