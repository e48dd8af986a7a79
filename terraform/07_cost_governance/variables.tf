variable "anomaly_usd" {
  description = "From how many dollars above the expected an anomaly is told."
  type        = number
  default     = 10
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

variable "monthly_budget_usd" {
  description = "What project and environment may cost in a month, in US dollars. `titanic cost` estimates it."
  type        = number
  default     = 150
}

variable "owner" {
  description = "Team or person to ask: value of the tag owner."
  type        = string

  validation {
    condition     = trimspace(var.owner) != ""
    error_message = "Every resource must say whom to ask about it."
  }
}

variable "watch_anomalies" {
  description = "Whether Cost Anomaly Detection watches the project. False where there is no Cost Explorer."
  type        = bool
  default     = true
}

# ---- From earlier stages ----

variable "alerts_topic_arn" {
  description = "From 06_orchestration_observability: topic that people subscribe to."
  type        = string
}
