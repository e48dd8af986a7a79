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

variable "code_version" {
  description = "Version of the code to use, as `python -m ops.bundles` prints it (build/code.json)."
  type        = string
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

variable "powertools_layer_arn" {
  description = "Layer with the functions' libraries. Null: what functions.json names; empty: none."
  type        = string
  default     = null
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
