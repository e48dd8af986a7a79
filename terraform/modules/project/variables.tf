variable "account_id" {
  description = "Account the resources are in."
  type        = string
}

variable "code_version" {
  description = "Version of the code to use, as `python -m ops.bundles` prints it. Null in stages that read no code."
  type        = string
  default     = null
}

variable "cost_center" {
  description = "Who pays: value of the tag cost_center."
  type        = string
}

variable "environment" {
  description = "dev or prod, as listed in project.json."
  type        = string
}

variable "overrides" {
  description = "Placeholders whose values this stage knows from an earlier stage or from its operator."
  type        = map(string)
  default     = {}
}

variable "owner" {
  description = "Team or person to ask: value of the tag owner."
  type        = string
}

variable "project_name" {
  description = "Null: the project's name in project.json."
  type        = string
  default     = null
}

variable "region" {
  description = "Null: the region in project.json."
  type        = string
  default     = null
}
