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

variable "create_identity_provider" {
  description = "Whether to make the account's identity provider for GitHub. False where it exists."
  type        = bool
  default     = true
}

variable "environment" {
  description = "Environment, one of project.json's: dev or prod. GitHub's environment has the same name."
  type        = string
}

variable "github_repository" {
  description = "The repository as GitHub's tokens name it: owner-ID/name-ID since June 2026, owner/name before."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", var.github_repository))
    error_message = "One repository in full, owner/name: no wildcard may stand for others."
  }
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

variable "data_bucket_name" {
  description = "From 00_foundations: bucket of everything that runs read and write."
  type        = string
}

variable "state_bucket_name" {
  description = "From 00_foundations: bucket of the stages' Terraform states."
  type        = string
}
