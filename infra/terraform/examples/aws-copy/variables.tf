variable "name" {
  description = "Stands before the name of everything that is made."
  type        = string
  default     = "kafka-backup"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.name))
    error_message = "name must be 2 to 24 lower-case letters, digits and hyphens, starting with a letter and not ending with a hyphen."
  }
}

variable "region" {
  description = "Region of the backup."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like us-east-1."
  }
}

variable "copy_region" {
  description = "Region of the copy: another one."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.copy_region))
    error_message = "copy_region must look like us-east-1."
  }
}

variable "copy_role_arn" {
  description = "Role in the copy's account with which Terraform makes everything there."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:iam::[0-9]{12}:role/.+$", var.copy_role_arn))
    error_message = "copy_role_arn must be the ARN of a role."
  }
}

variable "bucket" {
  description = "Name of the bucket of the backup: bucket_name of the module's outputs."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket must be the name of a bucket."
  }
}

variable "prefix" {
  description = "The prefix of the backup in its bucket."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = !startswith(var.prefix, "/") && !endswith(var.prefix, "/")
    error_message = "prefix must not have a slash at either end."
  }
}

variable "kms_key_arns" {
  description = "Keys that objects of the bucket are encrypted with, old ones included: readable_key_arns of the module's outputs. What S3 cannot decrypt it does not copy."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.kms_key_arns) > 0 && alltrue([for arn in var.kms_key_arns : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", arn))])
    error_message = "kms_key_arns must contain ARNs of keys."
  }
}

variable "lock_mode" {
  description = "Lock of the copy: COMPLIANCE, which no one can lift, or GOVERNANCE."
  type        = string
  default     = "COMPLIANCE"
  nullable    = false

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE"], var.lock_mode)
    error_message = "lock_mode must be GOVERNANCE or COMPLIANCE."
  }
}

variable "lock_days" {
  description = "For how many days from its writing no version of an object of the copy can be deleted. The copy has no lifecycle rules: it keeps what the backup expires. Fewer than 3650 bring a warning."
  type        = number
  nullable    = false

  validation {
    condition     = var.lock_days >= 1 && floor(var.lock_days) == var.lock_days
    error_message = "lock_days must be a whole number, 1 or more."
  }
}

variable "copy_storage_class" {
  description = "Storage class of the copy: one that answers immediately, for a restore."
  type        = string
  default     = "GLACIER_IR"
  nullable    = false

  validation {
    condition     = contains(["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"], var.copy_storage_class)
    error_message = "copy_storage_class must be STANDARD, STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING or GLACIER_IR: a restore cannot wait for others."
  }
}

variable "break_glass_role_arns" {
  description = "Roles of the copy's account that alone may disable its key or schedule its deletion. Default: no one."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.break_glass_role_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "break_glass_role_arns must contain ARNs of roles."
  }
}

variable "restore" {
  description = "What to restore from the copy, into which cluster; null: nothing. id names the restore, as_of is latest or a time."
  type = object({
    id             = string
    topics         = optional(list(string), ["*"])
    as_of          = optional(string, "latest")
    finish         = optional(list(string), [])
    backup_cluster = optional(string)
    kafka = object({
      bootstrap_servers  = string
      auth               = optional(string, "MSK_IAM")
      msk_cluster_arn    = optional(string)
      secret_arn         = optional(string)
      secret_kms_key_arn = optional(string)
    })
  })
  default = null

  validation {
    condition     = var.restore == null ? true : length(var.restore.topics) > 0
    error_message = "restore.topics must contain at least one topic; [\"*\"] is all of them."
  }
}

variable "emails" {
  description = "Who gets the alarms; each address has to confirm once."
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
