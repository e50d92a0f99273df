variable "name" {
  description = "Prefix of the names of all resources."
  type        = string
  default     = "kafka-backup"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.name))
    error_message = "name must be 2 to 24 lower-case letters, digits and hyphens, starting with a letter and not ending with a hyphen."
  }
}

variable "region" {
  description = "Region of the brokers and of all resources."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like us-east-1."
  }
}

variable "vault_role_arn" {
  description = "Role in the account of the vault, with which Terraform creates the bucket and the key."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:iam::[0-9]{12}:role/.+$", var.vault_role_arn))
    error_message = "vault_role_arn must be the ARN of a role."
  }
}

variable "break_glass_role_arns" {
  description = "Only these roles in the account of the vault can disable the key or schedule its deletion. Default: no one."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.break_glass_role_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "break_glass_role_arns must contain ARNs of roles."
  }
}

variable "topics" {
  description = "Names of the topics to back up. Patterns are not supported, because only segments of named topics expire."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.topics) > 0 && !anytrue([for entry in var.topics : can(regex("^\\^|[*?]", entry))])
    error_message = "topics must be names, because lifecycle rules do not support patterns."
  }
}

variable "expire_days" {
  description = "Days until segments are deleted, and for which no one can delete them. No one can shorten it for uploaded segments."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.expire_days >= 31 && floor(var.expire_days) == var.expire_days
    error_message = "expire_days must be a whole number, more than the 30 days after which segments move to GLACIER_IR."
  }
}

variable "kafka" {
  description = "The source cluster, as in the module."
  type = object({
    bootstrap_servers  = string
    auth               = optional(string, "MSK_IAM")
    msk_cluster_arn    = optional(string)
    secret_arn         = optional(string)
    secret_kms_key_arn = optional(string)
  })
  nullable = false

  validation {
    condition     = can(regex("^[^,:\\s]+:[0-9]{1,5}(,[^,:\\s]+:[0-9]{1,5})*$", var.kafka.bootstrap_servers))
    error_message = "kafka.bootstrap_servers must be host:port, or several of them, separated by commas without spaces."
  }
}

variable "drill" {
  description = "Restore drill: the topic to restore, and its target. null: nothing in this deployment can write to Kafka."
  type = object({
    backup_topic  = string
    restore_topic = string
  })
  default = null

  validation {
    condition     = var.drill == null || try(var.drill.backup_topic != var.drill.restore_topic, false)
    error_message = "drill.restore_topic must differ from drill.backup_topic."
  }
}

variable "emails" {
  description = "Recipients of the alarms. Each must confirm the subscription once."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.emails) > 0 && alltrue([for email in var.emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))])
    error_message = "emails must contain at least one e-mail address."
  }
}

variable "packages" {
  description = "Folder with backup-batch-arm64.zip and restore-batch-arm64.zip."
  type        = string
  default     = "../../../../target/packages"
  nullable    = false

  validation {
    condition     = length(var.packages) > 0
    error_message = "packages must be a folder."
  }
}
