variable "boundary_arn" {
  description = "Policy that says the most the roles can do, whatever their own says."
  type        = string
}

variable "bucket" {
  description = "Bucket that takes the functions' archives."
  type        = string
}

variable "camel_values" {
  description = "Values of the placeholders in the machines' definitions."
  type        = map(string)
}

variable "function_names" {
  description = "The functions to deploy: folder in functions/ => deployed name."
  type        = map(string)
}

variable "machines" {
  description = "The machines to deploy: file in statemachines/ => its path and the deployed name."
  type        = map(object({ definition_file = string, name = string }))
}

variable "powertools_layer_arn" {
  description = "Layer with the functions' libraries. Null: what functions.json names; empty: none."
  type        = string
}

variable "role_pattern" {
  description = "Pattern of a role's name: %s stands for the role."
  type        = string
}

variable "root" {
  description = "The repository's root folder."
  type        = string
}

variable "values" {
  description = "Values of the placeholders in functions.json and iam/."
  type        = map(string)
}
