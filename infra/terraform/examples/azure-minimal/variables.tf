variable "name" {
  description = "Prefix of the names of all resources: 3 to 14 lowercase letters, digits and hyphens."
  type        = string
  default     = "kafka"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,12}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name must have 3 to 14 characters: lowercase letters, digits and single hyphens, beginning with a letter and not ending with a hyphen."
  }
}

variable "location" {
  description = "The region, in its short form. It must offer Flex Consumption."
  type        = string
  default     = "westeurope"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]+$", var.location))
    error_message = "location must be a region in its short form, such as westeurope."
  }
}

variable "kafka" {
  description = "The source cluster: bootstrap_servers, librdkafka properties, and secrets, which maps properties to names of Key Vault secrets."
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
}

variable "topics" {
  description = "The topics to back up: names, and patterns such as payments-*."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.topics) > 0
    error_message = "topics must contain at least one topic."
  }
}

variable "exclude_topics" {
  description = "Topics that are skipped although a pattern of topics matches them."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for entry in var.exclude_topics : entry != ""])
    error_message = "exclude_topics must not contain an empty entry."
  }
}

variable "emails" {
  description = "Recipients of the alarms."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))])
    error_message = "emails must be e-mail addresses."
  }
}

variable "management_lock" {
  description = "Lock the account of the backups, so that it cannot be deleted. After a restore drill set it false before you remove restore."
  type        = bool
  default     = false
  nullable    = false
}

variable "restore" {
  description = <<-EOT
    What to restore. null: no restore. The README of the module has details.
    - backup_topics: topics in the backup: names and patterns.
    - restore_topic: target topic. {topic} is replaced by the name of the original, and is required for several topics.
    - id: name of the restore. A new id starts from the beginning.
    - as_of: latest, or a time. The restore uses the newest snapshot that is not later, and has an end.
    - finish: steps after the last record: groups, configs, acls, or all.
    - package_uri: address from which the service downloads restore-batch-azure.zip. null: you deploy it by hand.
    - kafka: target cluster, in the form of the variable kafka. null: the source cluster.
  EOT
  type = object({
    backup_topics = list(string)
    restore_topic = string
    id            = optional(string)
    as_of         = optional(string)
    finish        = optional(set(string), [])
    package_uri   = optional(string)
    kafka = optional(object({
      bootstrap_servers = string
      properties        = optional(map(string), {})
      secrets           = optional(map(string), {})
    }))
  })
  default = null

  validation {
    condition     = var.restore == null ? true : var.restore.kafka != null || !contains(concat(var.restore.backup_topics, ["{topic}"]), var.restore.restore_topic)
    error_message = "restore.restore_topic must differ from the name of the original, unless restore.kafka is another cluster."
  }
}
