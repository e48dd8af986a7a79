output "catalog_database_name" {
  description = "Catalog database of the curated tables."
  value       = aws_glue_catalog_database.this.name
}

output "job_names" {
  description = "Name of each Glue job, by its file in glue_jobs/."
  value       = { for job, resource in aws_glue_job.this : job => resource.name }
}
