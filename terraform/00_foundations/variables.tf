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

variable "destroy_data" {
  description = "Whether `terraform destroy` may delete the buckets with everything in them: data, and the stages' states."
  type        = bool
  default     = false
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
