variable "bucket" {
  description = <<-EOT
    The bucket for the backups.
    - name: name of the bucket. Default: NAME-ACCOUNT-REGION.
    - create: false uses the existing bucket `name` in this region. Its owner manages versioning, lock, lifecycle and policy.
    - prefix: prefix of all object names, without a slash at either end (STORAGE_PREFIX).
    - kms_key_arn: key that encrypts new objects. Default: the key of the deployment.
    - lock_mode: GOVERNANCE, COMPLIANCE or NONE. No one can lift COMPLIANCE, not even the root user. A change from or to NONE replaces the bucket, which AWS refuses while the bucket contains objects.
    - lock_days: days after its upload for which no version of an object can be deleted. Default: expire_days, or ten years if segments never expire. With a smaller value, older segments are not protected.
    - storage_class: storage class of new segments (S3_STORAGE_CLASS). Default: STANDARD.
    - transition_days: days until objects move to transition_class. Default: never.
    - transition_class: GLACIER_IR, STANDARD_IA, ONEZONE_IA or INTELLIGENT_TIERING. Only classes with immediate access.
    - expire_days: days until segments are deleted. Default: never. topic.json, restore checkpoints and later generations (orders@2) are kept. Requires names in `topics`, without patterns. Do not use it for compacted topics: their oldest segments contain the last values of keys.
    - snapshot_expire_days: days until snapshots of the cluster are deleted, 7 or more. Default: never. While the backup runs there is always a newer one. After it has stopped for this time there is none.
    - noncurrent_expire_days: days until overwritten and deleted versions are removed.
    - access_log: target bucket of the access log. Default: no access log.
  EOT
  type = object({
    name                   = optional(string)
    create                 = optional(bool, true)
    prefix                 = optional(string, "")
    kms_key_arn            = optional(string)
    lock_mode              = optional(string, "GOVERNANCE")
    lock_days              = optional(number)
    storage_class          = optional(string)
    transition_days        = optional(number)
    transition_class       = optional(string, "GLACIER_IR")
    expire_days            = optional(number)
    snapshot_expire_days   = optional(number)
    noncurrent_expire_days = optional(number, 30)
    access_log             = optional(object({ bucket = string }))
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.bucket.name == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket.name))
    error_message = "bucket.name must be 3 to 63 lower-case letters, digits, dots and hyphens."
  }
  validation {
    condition     = var.bucket.create || var.bucket.name != null
    error_message = "bucket.create = false requires bucket.name."
  }
  validation {
    condition     = var.bucket.prefix == "" || can(regex("^[^/@*?]+(/[^/@*?]+)*$", var.bucket.prefix)) && !anytrue([for part in split("/", var.bucket.prefix) : contains([".", ".."], part)])
    error_message = "bucket.prefix must be a path without a slash at either end, without . and .. in it, and without @, * and ?."
  }
  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE", "NONE"], var.bucket.lock_mode)
    error_message = "bucket.lock_mode must be GOVERNANCE, COMPLIANCE or NONE."
  }
  validation {
    condition     = var.bucket.lock_days == null ? true : var.bucket.lock_days >= 1 && var.bucket.lock_days <= 36500 && floor(var.bucket.lock_days) == var.bucket.lock_days
    error_message = "bucket.lock_days must be a whole number from 1 to 36500."
  }
  validation {
    condition     = var.bucket.lock_days != null || var.bucket.expire_days != null || var.bucket.lock_mode != "COMPLIANCE" || !var.bucket.create
    error_message = "lock_mode COMPLIANCE requires bucket.lock_days if segments never expire. No one can shorten this lock later, so it has no default."
  }
  validation {
    condition     = alltrue([for class in compact([var.bucket.storage_class, var.bucket.transition_class]) : contains(local.readable_classes, class)])
    error_message = "bucket.storage_class and bucket.transition_class must be a class with immediate access: STANDARD, STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING or GLACIER_IR. A restore cannot read from GLACIER or DEEP_ARCHIVE."
  }
  validation {
    condition     = var.bucket.transition_class != "STANDARD"
    error_message = "bucket.transition_class must not be STANDARD, the class of new objects. Use GLACIER_IR, STANDARD_IA, ONEZONE_IA or INTELLIGENT_TIERING."
  }
  validation {
    condition     = alltrue([for days in [var.bucket.transition_days, var.bucket.expire_days, var.bucket.noncurrent_expire_days] : days == null ? true : days >= 1 && floor(days) == days])
    error_message = "bucket.transition_days, expire_days and noncurrent_expire_days must be whole numbers, 1 or more."
  }
  validation {
    condition     = var.bucket.transition_days == null ? true : var.bucket.transition_days >= 30 || contains(["GLACIER_IR", "INTELLIGENT_TIERING"], var.bucket.transition_class)
    error_message = "bucket.transition_days must be at least 30 for STANDARD_IA and ONEZONE_IA."
  }
  validation {
    condition     = var.bucket.expire_days == null ? true : var.bucket.expire_days > coalesce(var.bucket.transition_days, 0)
    error_message = "bucket.expire_days must be more than bucket.transition_days."
  }
  validation {
    condition     = var.bucket.expire_days == null || var.bucket.lock_mode == "NONE" || try(var.bucket.expire_days >= coalesce(var.bucket.lock_days, var.bucket.expire_days), false)
    error_message = "bucket.expire_days must not be less than bucket.lock_days, because a locked segment cannot be deleted."
  }
  validation {
    condition     = var.bucket.snapshot_expire_days == null ? true : var.bucket.snapshot_expire_days >= 7 && floor(var.bucket.snapshot_expire_days) == var.bucket.snapshot_expire_days
    error_message = "bucket.snapshot_expire_days must be a whole number, 7 or more, so that there is time to notice missing snapshots."
  }
  validation {
    condition     = var.bucket.snapshot_expire_days == null || var.bucket.lock_mode == "NONE" || try(var.bucket.snapshot_expire_days >= coalesce(var.bucket.lock_days, var.bucket.expire_days, 3650), false)
    error_message = "bucket.snapshot_expire_days must not be less than bucket.lock_days (default: expire_days, or ten years), because a locked snapshot cannot be deleted."
  }
  validation {
    condition     = var.bucket.expire_days == null || !local.has_patterns
    error_message = "bucket.expire_days creates lifecycle rules for each topic by name, so topics that a pattern matches would never expire. Name the topics that expire, if necessary in a deployment of their own. Or remove expire_days, and use a bucket with your own lifecycle rules (bucket.create = false)."
  }
  validation {
    condition     = var.bucket.expire_days == null || length(var.topics) <= 90
    error_message = "bucket.expire_days supports at most 90 topics: each needs ten of the 1000 lifecycle rules of a bucket. Use several deployments, or a bucket with your own lifecycle rules."
  }
}

variable "kms_key" {
  description = "Key for new objects, logs, alarms and schedules. null: the key that the module creates. You can change it: stored objects stay readable. The policy of your own key must allow CloudWatch Logs and CloudWatch alarms to use it: see the README."
  type        = object({ arn = string })
  default     = null

  validation {
    condition     = var.kms_key == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key.arn))
    error_message = "kms_key.arn must be the ARN of a key, not of an alias."
  }
}

variable "make_kms_key" {
  description = "Create a key for the deployment. It is kept when kms_key is another key, because objects may be encrypted with it. Set false only together with kms_key and before the first apply: Terraform refuses to destroy a key."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.make_kms_key || var.kms_key != null
    error_message = "make_kms_key = false requires kms_key: objects, logs, alarms and schedules are always encrypted."
  }
}

variable "old_kms_key_arns" {
  description = "Keys in other accounts with which objects in the bucket are encrypted. The functions can decrypt with them. Keys in this account need no entry."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.old_kms_key_arns : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/[^*?]+$", arn))])
    error_message = "old_kms_key_arns must contain ARNs of keys, not of aliases, and without * and ?."
  }
}

variable "break_glass_role_arns" {
  description = "Only these roles can disable the created key or schedule its deletion. Default: no one."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.break_glass_role_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "break_glass_role_arns must contain ARNs of roles, without * and ?."
  }
}
