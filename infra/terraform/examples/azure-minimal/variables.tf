variable "name" {
  description = "Begins the name of everything: 3 to 14 lowercase letters, digits and hyphens."
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
  description = "The cluster: bootstrap_servers, librdkafka properties by their own names, and secrets: the properties whose values stand in Key Vault, with the secrets' names."
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
  description = "Topics that patterns of topics do not take."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for entry in var.exclude_topics : entry != ""])
    error_message = "exclude_topics must not hold an empty entry."
  }
}

variable "emails" {
  description = "Who is told when no backup succeeds, when it falls behind, when records were lost, and of errors."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))])
    error_message = "emails must be e-mail addresses."
  }
}

variable "management_lock" {
  description = "Whether to lock the account of the backups, so that it cannot be deleted. For a restore drill set it false before restore is taken out again."
  type        = bool
  default     = false
  nullable    = false
}

variable "restore" {
  description = <<-EOT
    What to restore; null restores nothing. The module's README has more of it.
    - backup_topics: the topics in the backup: names and patterns.
    - restore_topic: the topic to write to. {topic} stands for the name of the original, and several topics need it.
    - id: names the restore; a new one starts from the beginning.
    - as_of: latest, or a time: as of the newest snapshot of the cluster that is not later. Such a restore ends by itself.
    - finish: what is done once all is restored: groups, configs, acls, or all.
    - package_uri: where the service fetches restore-batch-azure.zip from; null: it is deployed by hand.
    - kafka: another cluster to restore into, in the form of the variable kafka.
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
    error_message = "restore.restore_topic must be another name than the original's, or restore.kafka another cluster."
  }
}
