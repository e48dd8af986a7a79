variable "documents" {
  description = "Rendered JSON documents of the form of iam/*.json (description, assumed_by, source_account, statements), by role."
  type        = map(string)
}

variable "name_pattern" {
  description = "Pattern of a role's name: %s stands for the role."
  type        = string
}
