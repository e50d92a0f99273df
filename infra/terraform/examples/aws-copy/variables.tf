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
  description = "Region of the backup."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like us-east-1."
  }
}

variable "copy_region" {
  description = "Region of the copy."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.copy_region))
    error_message = "copy_region must look like us-east-1."
  }
}

variable "copy_role_arn" {
  description = "Role in the account of the copy, with which Terraform creates the resources there."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:iam::[0-9]{12}:role/.+$", var.copy_role_arn))
    error_message = "copy_role_arn must be the ARN of a role."
  }
}

variable "bucket" {
  description = "Name of the bucket of the backup: output bucket_name of the module."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket must be the name of a bucket."
  }
}

variable "prefix" {
  description = "Prefix of the backup in its bucket."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = !startswith(var.prefix, "/") && !endswith(var.prefix, "/")
    error_message = "prefix must not have a slash at either end."
  }
}

variable "kms_key_arns" {
  description = "Keys with which objects of the bucket are encrypted, including old ones: output readable_key_arns of the module. S3 does not copy objects that it cannot decrypt."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.kms_key_arns) > 0 && alltrue([for arn in var.kms_key_arns : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", arn))])
    error_message = "kms_key_arns must contain ARNs of keys."
  }
}

variable "lock_mode" {
  description = "Lock of objects that have none in the bucket of the backup: COMPLIANCE, which no one can lift, or GOVERNANCE. S3 gives all others the lock that they have there. COMPLIANCE also denies the bypass of GOVERNANCE in the copy."
  type        = string
  default     = "COMPLIANCE"
  nullable    = false

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE"], var.lock_mode)
    error_message = "lock_mode must be GOVERNANCE or COMPLIANCE."
  }
}

variable "lock_days" {
  description = "Days of that lock, from the upload of an object. The copy has no lifecycle rules, so it keeps objects that expire in the backup. Less than 3650 gives a warning."
  type        = number
  nullable    = false

  validation {
    condition     = var.lock_days >= 1 && floor(var.lock_days) == var.lock_days
    error_message = "lock_days must be a whole number, 1 or more."
  }
}

variable "copy_storage_class" {
  description = "Storage class of the copy. Only classes with immediate access, for a restore."
  type        = string
  default     = "GLACIER_IR"
  nullable    = false

  validation {
    condition     = contains(["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"], var.copy_storage_class)
    error_message = "copy_storage_class must be STANDARD, STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING or GLACIER_IR. A restore cannot read from other classes."
  }
}

variable "break_glass_role_arns" {
  description = "Only these roles in the account of the copy can disable its key or schedule its deletion. Default: no one."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.break_glass_role_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "break_glass_role_arns must contain ARNs of roles."
  }
}

variable "restore" {
  description = "Restore from the copy: its id, the target cluster in kafka, topics, as_of (latest or a time), finish, and the network of the module if the brokers are in a VPC. null: no restore."
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
    network = optional(object({
      vpc_id                   = string
      subnet_ids               = list(string)
      broker_security_group_id = optional(string)
      broker_cidrs             = optional(list(string))
      broker_ports             = optional(list(number))
      route_table_ids          = optional(list(string))
      s3_prefix_list_id        = optional(string)
      secrets_endpoint         = optional(bool, true)
    }))
  })
  default = null

  validation {
    condition     = var.restore == null ? true : length(var.restore.topics) > 0
    error_message = "restore.topics must contain at least one topic; use [\"*\"] for all topics."
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
