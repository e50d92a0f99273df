variable "kafka" {
  description = <<-EOT
    The cluster to back up.
    - bootstrap_servers: host:port, comma-separated.
    - properties: librdkafka properties by their own names, such as { "security.protocol" = "SASL_SSL" }. They become KAFKA_* settings; what the program sets itself is refused.
    - secrets: properties whose values stand in Key Vault: { "sasl.password" = "name-of-the-secret" }. { "secret" = "name-of-the-secret" } is one secret with the whole login, such as a client certificate and its key (KAFKA_SECRET; docs/platforms.md). No value reaches Terraform's state.
  EOT
  type = object({
    bootstrap_servers = string
    properties        = optional(map(string), {})
    secrets           = optional(map(string), {})
  })
  nullable = false

  validation {
    condition     = alltrue([for server in split(",", var.kafka.bootstrap_servers) : can(regex("^[^:/\\s]+:[0-9]{1,5}$", trimspace(server)))])
    error_message = "kafka.bootstrap_servers must be host:port, comma-separated, without a scheme."
  }
  validation {
    condition     = alltrue([for name in concat(keys(var.kafka.properties), keys(var.kafka.secrets)) : can(regex("^[a-z0-9]+(\\.[a-z0-9]+)*$", name))])
    error_message = "kafka.properties and kafka.secrets take librdkafka's names, such as security.protocol: lowercase, with dots."
  }
  validation {
    condition     = !anytrue([for name in keys(var.kafka.properties) : can(regex(local.secret_property, name))])
    error_message = "A password or private key belongs in Key Vault: name it in kafka.secrets, not in kafka.properties."
  }
  validation {
    condition     = alltrue([for name in values(var.kafka.secrets) : can(regex("^[0-9A-Za-z-]{1,127}$", name))])
    error_message = "kafka.secrets maps a property to the name of a Key Vault secret: letters, digits and hyphens. It does not take the value."
  }
  validation {
    condition     = length(setintersection(keys(var.kafka.properties), keys(var.kafka.secrets))) == 0
    error_message = "A property stands in kafka.properties or in kafka.secrets, not in both."
  }
  validation {
    condition     = alltrue([for name, value in var.kafka.properties : contains(try(local.fixed_properties[name], [lower(value)]), lower(value))])
    error_message = "kafka.properties: the program decides these itself, and would not start: ${join(", ", [for name, value in try(var.kafka.properties, {}) : name if !contains(try(local.fixed_properties[name], [lower(value)]), lower(value))])}. Leave them out."
  }
  validation {
    condition     = length(setintersection(keys(var.kafka.secrets), keys(local.fixed_properties))) == 0
    error_message = "kafka.secrets must not name what the program decides itself: ${join(", ", setintersection(keys(var.kafka.secrets), keys(local.fixed_properties)))}."
  }
}

variable "topics" {
  description = "The topics to back up: names, globs (payments-*) and regular expressions of whole names (^orders-[0-9]+), looked up again in each run (TOPIC_NAMES). With patterns storage.delete_after_days is refused."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.topics) > 0 || !var.backup.enabled
    error_message = "topics must name at least one topic. Only a deployment that restores (backup.enabled = false) has none."
  }
  validation {
    condition     = alltrue([for entry in var.topics : can(regex(local.legal_entry, entry)) && !contains([".", ".."], entry) && (startswith(entry, "^") || !endswith(entry, "."))])
    error_message = "topics must hold names of topics (1 to 249 letters, digits, dots, underscores and hyphens, no dot at the end, which Azure would drop), globs (the same with * and ?), and regular expressions of whole names, which begin with ^ and hold no space."
  }
  validation {
    condition     = alltrue([for entry in var.topics : startswith(entry, "^") ? can(regexall(entry, "")) && !can(regex(local.unknown_class, entry)) : true])
    error_message = "topics has entries that are not regular expressions: ${join(", ", [for entry in var.topics : entry if startswith(entry, "^") ? !can(regexall(entry, "")) || can(regex(local.unknown_class, entry)) : false])}. Correct them; the program knows no classes such as \\p{L} and no quotes (\\Q)."
  }
  validation {
    condition     = length(setintersection(var.topics, local.internal_topics)) == 0
    error_message = "Kafka's internal topics are not backed up: they mean nothing to another cluster."
  }
}

variable "exclude_topics" {
  description = "Topics that patterns of `topics` do not take, written in the same way (EXCLUDE_TOPIC_NAMES)."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for entry in var.exclude_topics : can(regex(local.legal_entry, entry)) && !contains([".", ".."], entry)])
    error_message = "exclude_topics must hold names of topics (1 to 249 letters, digits, dots, underscores and hyphens), globs (the same with * and ?), and regular expressions of whole names, which begin with ^ and hold no space."
  }
  validation {
    condition     = alltrue([for entry in var.exclude_topics : startswith(entry, "^") ? can(regexall(entry, "")) && !can(regex(local.unknown_class, entry)) : true])
    error_message = "exclude_topics has entries that are not regular expressions: ${join(", ", [for entry in var.exclude_topics : entry if startswith(entry, "^") ? !can(regexall(entry, "")) || can(regex(local.unknown_class, entry)) : false])}. Correct them; the program knows no classes such as \\p{L} and no quotes (\\Q)."
  }
  validation {
    condition     = length(setintersection(var.exclude_topics, local.internal_topics)) == 0
    error_message = "Kafka's internal topics are never backed up, also where a pattern would take them: leave them out of exclude_topics."
  }
  validation {
    condition = !anytrue([
      for pair in setproduct(var.exclude_topics, local.topic_names) : pair[0] == pair[1] || !startswith(pair[1], "__") && can(regex(
        startswith(pair[0], "^") ? "^(?:${pair[0]})$" : "^${replace(replace(replace(pair[0], ".", "[.]"), "?", "."), "*", ".*")}$", pair[1]
      ))
    ])
    error_message = "exclude_topics excludes a topic that topics names (${join(", ", local.topic_names)}). Remove it from one of the two."
  }
}

variable "group_id" {
  description = "The consumer group whose committed offsets say how far the backup is. No other program may use it."
  type        = string
  default     = "kafka-backup"
  nullable    = false

  validation {
    condition     = length(trimspace(var.group_id)) > 0
    error_message = "group_id must not be empty."
  }
}

variable "key_vault" {
  description = "An existing Key Vault (with role-based access) that already holds the secrets named in kafka.secrets. Null makes a vault, when a secret is named."
  type        = object({ id = string })
  default     = null

  validation {
    condition     = var.key_vault == null ? true : can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.KeyVault/vaults/[^/]+$", var.key_vault.id))
    error_message = "key_vault.id must be the resource ID of a Key Vault."
  }
}
