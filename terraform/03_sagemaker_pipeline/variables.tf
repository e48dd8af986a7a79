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

variable "code_bundle_s3_prefix" {
  description = "Prefix of the code bundles in the data bucket: the pipeline's role may read no other."
  type        = string
  default     = "pipeline/code"
}

variable "code_bundle_uri" {
  description = "Code bundle of executions that name none: s3://<bucket>/<prefix>/<commit>/pipeline_code.tar.gz."
  type        = string

  validation {
    condition     = startswith(var.code_bundle_uri, "s3://${var.data_bucket_name}/${var.code_bundle_s3_prefix}/")
    error_message = "The code bundle must be in the data bucket under code_bundle_s3_prefix."
  }
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

variable "model_approval_status" {
  description = "Status the pipeline gives a new version. The approval is the training machine's or a person's."
  type        = string
  default     = "PendingManualApproval"

  validation {
    condition     = var.model_approval_status == "PendingManualApproval"
    error_message = "A version must pass the second gate before anything may use it: PendingManualApproval."
  }
}

variable "model_package_group_name" {
  description = "Group that versions are registered in. Null: the name in project.json."
  type        = string
  default     = null
}

variable "owner" {
  description = "Team or person to ask: value of the tag owner."
  type        = string

  validation {
    condition     = trimspace(var.owner) != ""
    error_message = "Every resource must say whom to ask about it."
  }
}

variable "pipeline_name" {
  description = "Name of the pipeline. Null: the name in project.json."
  type        = string
  default     = null
}

variable "project_name" {
  description = "Value of the tag project and first part of names. Null: the one in project.json."
  type        = string
  default     = null
}

variable "quality_threshold_accuracy" {
  description = "Accuracy from which the pipeline registers a model. Null: the threshold in project.json."
  type        = number
  default     = null

  validation {
    condition     = var.quality_threshold_accuracy == null || try(var.quality_threshold_accuracy >= 0 && var.quality_threshold_accuracy <= 1, false)
    error_message = "Accuracy is between 0 and 1."
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
