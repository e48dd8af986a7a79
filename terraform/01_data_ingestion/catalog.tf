# A database without crawlers: the job writes the tables under names it knows, and checks them itself.
resource "aws_glue_catalog_database" "this" {
  name         = local.values.catalog_database
  description  = "Curated tables of ${local.values.project}, ${local.values.env}"
  location_uri = "s3://${var.data_bucket_name}/curated/"
}
