# Which machines there are, and which functions each calls: by its placeholder, ${InitRunFunctionArn}.

locals {
  definition_files = {
    for file in fileset("${local.root}/statemachines", "*.asl.json") :
    trimsuffix(file, ".asl.json") => "${local.root}/statemachines/${file}"
  }
  function_placeholders = {
    for name in local.functions :
    name => "$${${join("", [for word in split("_", name) : title(word)])}FunctionArn}"
  }
  machines = {
    for machine, definition in local.definition_files : machine => {
      definition_file = definition
      functions = [
        for name, placeholder in local.function_placeholders : name if strcontains(file(definition), placeholder)
      ]
    }
  }
}
