variable "name" {
  description = "Name of the deployment: alias of the key, and prefix of the default name of the bucket."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}[a-z0-9]$", var.name))
    error_message = "name must be 2 to 32 lower-case letters, digits and hyphens, starting with a letter and not ending with a hyphen."
  }
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "bucket_name" {
  description = "Name of the bucket. Default: NAME-ACCOUNT-REGION."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_name == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "bucket_name must be 3 to 63 lower-case letters, digits, dots and hyphens."
  }
}

variable "make_bucket" {
  description = "Create the bucket. false: use an existing bucket, which its owner manages."
  type        = bool
  default     = true
  nullable    = false
}

variable "prefix" {
  description = "Prefix of all object names, without a slash at either end."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = !startswith(var.prefix, "/") && !endswith(var.prefix, "/")
    error_message = "prefix must not have a slash at either end."
  }
}

variable "topics" {
  description = "Names of topics whose segments expire after expire_days."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = var.expire_days == null || length(var.topics) > 0 && length(var.topics) <= 90
    error_message = "expire_days requires 1 to 90 topics: each needs ten of the 1000 lifecycle rules of a bucket."
  }
}

variable "object_kms_key_arn" {
  description = "Key that encrypts new objects. Default: the created key."
  type        = string
  default     = null

  validation {
    condition     = var.object_kms_key_arn == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.object_kms_key_arn))
    error_message = "object_kms_key_arn must be the ARN of a key, not of an alias."
  }
}

variable "make_key" {
  description = "Create a key. It is kept when object_kms_key_arn is another key, because objects may be encrypted with it."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.make_key || var.object_kms_key_arn != null
    error_message = "make_key = false requires object_kms_key_arn."
  }
}

variable "break_glass_role_arns" {
  description = "Only these roles can disable the key or schedule its deletion. Default: no one."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.break_glass_role_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "break_glass_role_arns must contain ARNs of roles, without * and ?."
  }
}

variable "log_group_arns" {
  description = "Log groups of CloudWatch Logs that are encrypted with the key."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.log_group_arns : can(regex("^arn:[^:]+:logs:", arn))])
    error_message = "log_group_arns must contain ARNs of log groups."
  }
}

variable "lock_mode" {
  description = "GOVERNANCE, COMPLIANCE or NONE. No one can lift COMPLIANCE, not even the root user. It cannot be changed from or to NONE: Terraform refuses to replace the bucket."
  type        = string
  default     = "GOVERNANCE"
  nullable    = false

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE", "NONE"], var.lock_mode)
    error_message = "lock_mode must be GOVERNANCE, COMPLIANCE or NONE."
  }
}

variable "lock_days" {
  description = "Days after its upload for which no version of an object can be deleted. Default: expire_days, or ten years if segments never expire. A segment is uploaded once, so with a smaller value older segments are not protected."
  type        = number
  default     = null

  validation {
    condition     = var.lock_days == null ? true : var.lock_days >= 1 && var.lock_days <= 36500 && floor(var.lock_days) == var.lock_days
    error_message = "lock_days must be a whole number from 1 to 36500."
  }
  validation {
    condition     = var.lock_days != null || var.expire_days != null || var.lock_mode != "COMPLIANCE" || !var.make_bucket
    error_message = "lock_mode COMPLIANCE requires lock_days if segments never expire. No one can shorten this lock later, so it has no default."
  }
}

variable "transition_days" {
  description = "Days until objects move to transition_class. Default: never."
  type        = number
  default     = null

  validation {
    condition     = var.transition_days == null ? true : var.transition_days >= 1
    error_message = "transition_days must be 1 or more."
  }
}

variable "transition_class" {
  description = "GLACIER_IR, STANDARD_IA, ONEZONE_IA or INTELLIGENT_TIERING."
  type        = string
  default     = "GLACIER_IR"
  nullable    = false

  validation {
    condition     = contains(["GLACIER_IR", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING"], var.transition_class)
    error_message = "transition_class must be GLACIER_IR, STANDARD_IA, ONEZONE_IA or INTELLIGENT_TIERING. A restore cannot read from other classes."
  }
}

variable "expire_days" {
  description = "Days until segments of `topics` are deleted. Default: never."
  type        = number
  default     = null

  validation {
    condition     = var.expire_days == null ? true : var.expire_days >= 1
    error_message = "expire_days must be 1 or more."
  }
}

variable "snapshot_expire_days" {
  description = "Days until snapshots of the cluster are deleted. Default: never."
  type        = number
  default     = null

  validation {
    condition     = var.snapshot_expire_days == null ? true : var.snapshot_expire_days >= 7
    error_message = "snapshot_expire_days must be 7 or more."
  }
}

variable "noncurrent_expire_days" {
  description = "Days until overwritten and deleted versions are removed."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.noncurrent_expire_days >= 1
    error_message = "noncurrent_expire_days must be 1 or more."
  }
}

variable "access_log_bucket" {
  description = "Target bucket of the access log. Default: no access log."
  type        = string
  default     = null

  validation {
    condition     = var.access_log_bucket == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.access_log_bucket))
    error_message = "access_log_bucket must be the name of a bucket."
  }
}

variable "client_role_arns" {
  description = "Roles of backup and restore in other accounts, which can read and write the bucket. They need not exist yet."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.client_role_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "client_role_arns must contain ARNs of roles, without * and ?."
  }
}

variable "replication_role_arn" {
  description = "Role in another account with which S3 replicates objects to the bucket. It can add objects and delete none. A replica has the lock of its original, whatever lock_mode and lock_days are; with COMPLIANCE the bucket policy denies everyone to bypass GOVERNANCE. Default: no replication."
  type        = string
  default     = null

  validation {
    condition     = var.replication_role_arn == null || can(regex("^arn:[^:]+:iam::[0-9]{12}:role/[^*?]+$", var.replication_role_arn))
    error_message = "replication_role_arn must be the ARN of a role, without * and ?."
  }
}
