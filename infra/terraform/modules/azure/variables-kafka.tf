variable "kafka" {
  description = <<-EOT
    The cluster to back up.
    - bootstrap_servers: host:port, comma-separated.
    - properties: librdkafka properties by their own names, such as { "security.protocol" = "SASL_SSL" }. They become KAFKA_* settings; what the program sets itself is refused.
    - secrets: properties whose values stand in Key Vault: { "sasl.password" = "name-of-the-secret" }. The value never reaches Terraform's state.
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
  description = "The topics to back up, by their full names."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.topics) > 0 && length(var.topics) <= 95
    error_message = "topics must name 1 to 95 topics: a storage account takes 100 lifecycle rules, and each topic has one."
  }
  validation {
    condition     = alltrue([for topic in var.topics : can(regex("^[a-zA-Z0-9._-]{1,249}$", topic)) && !endswith(topic, ".")])
    error_message = "topics must be legal names of Kafka topics (letters, digits, '.', '_', '-'), without a dot at the end, which Azure would drop. Patterns are not supported."
  }
  validation {
    condition     = length(setintersection(var.topics, local.internal_topics)) == 0
    error_message = "Kafka's internal topics are not backed up: they mean nothing to another cluster."
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
