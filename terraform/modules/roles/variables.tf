variable "boundary_arn" {
  description = "Policy that says the most these roles can do, whatever their own says."
  type        = string
}

variable "documents" {
  description = "Rendered JSON documents of the form of iam/*.json (description, assumed_by, source_account, statements), by role."
  type        = map(string)
}

variable "name_pattern" {
  description = "Pattern of a role's name: %s stands for the role."
  type        = string
}
