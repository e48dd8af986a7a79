variable "alert_emails" {
  description = "Addresses that get every alert. Each must confirm its subscription."
  type        = set(string)
  default     = []
}

variable "aws_profile" {
  description = "Profile of the AWS credentials. Null: what the environment gives."
  type        = string
  default     = null
}

variable "aws_region" {
  description = "Region. Null: the one in project.json."
  type        = string
  default     = null
}

variable "cost_center" {
  description = "Who pays: value of the tag cost_center."
  type        = string

  validation {
    condition     = trimspace(var.cost_center) != ""
    error_message = "Every resource must say who pays for it."
  }
}

variable "environment" {
  description = "Environment, one of project.json's: dev or prod."
  type        = string
}

variable "owner" {
  description = "Team or person to ask: value of the tag owner."
  type        = string

  validation {
    condition     = trimspace(var.owner) != ""
    error_message = "Every resource must say whom to ask about it."
  }
}

# ---- From earlier stages ----

variable "boundary_arn" {
  description = "From 00_foundations: policy that bounds every role."
  type        = string
}

variable "data_bucket_name" {
  description = "From 00_foundations: bucket of everything that runs read and write."
  type        = string
}

variable "function_arns" {
  description = "From 02_training_validation: ARN of each function."
  type        = map(string)
}

variable "job_names" {
  description = "From 01_data_ingestion: name of each Glue job."
  type        = map(string)
}

variable "pipeline_name" {
  description = "From 03_sagemaker_pipeline: the pipeline that trains."
  type        = string
}

variable "serving_alarm_names" {
  description = "From 04_serving: alarms on the endpoint of prod."
  type        = list(string)
}

variable "serving_function_arns" {
  description = "From 04_serving: ARN of each function that only the promotion calls."
  type        = map(string)
}

variable "serving_state_machine_arns" {
  description = "From 04_serving: ARN of the promotion machine."
  type        = map(string)
}

variable "state_machine_arns" {
  description = "From 02_training_validation: ARN of each state machine."
  type        = map(string)
}
