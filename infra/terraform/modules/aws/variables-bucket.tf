variable "bucket" {
  description = <<-EOT
    The bucket that holds the backups.
    - name: default: NAME-ACCOUNT-REGION.
    - create: false: `name` is there already, in this region; its versioning, lock, lifecycle and policy stay its owner's.
    - prefix: path before all names, without a slash at either end (STORAGE_PREFIX).
    - kms_key_arn: key of the objects. Default: the key of the deployment.
    - lock_mode: GOVERNANCE; COMPLIANCE, which nobody can lift, not even the root user; or NONE. From or to NONE the bucket is replaced, which AWS refuses while it holds objects.
    - lock_days: for how many days from its writing no version of an object can be deleted. Default: expire_days, and ten years where segments never expire. Fewer leave older segments unprotected.
    - storage_class: of new segments (S3_STORAGE_CLASS). Default: STANDARD.
    - transition_days: days until objects move to transition_class. Default: never.
    - transition_class: GLACIER_IR, STANDARD_IA, ONEZONE_IA or INTELLIGENT_TIERING: classes that answer at once.
    - expire_days: days until segments are deleted. Default: never. topic.json, restore checkpoints and later generations (orders@2) are kept. Only where `topics` are names. Never for compacted topics: their oldest segments hold the last values of keys, which a restore then lacks.
    - snapshot_expire_days: days until snapshots of the cluster are deleted, 7 or more. Default: never. While the backup goes on there is always a newer one; after it has stopped for so long there is none.
    - noncurrent_expire_days: days that overwritten and deleted versions stay.
    - access_log: bucket that gets the access log. Default: no log.
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
    error_message = "bucket.name is needed with bucket.create = false."
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
    error_message = "bucket.lock_days is needed with lock_mode COMPLIANCE where segments never expire: no one can take it back, so it has no default."
  }
  validation {
    condition     = alltrue([for class in compact([var.bucket.storage_class, var.bucket.transition_class]) : contains(local.readable_classes, class)])
    error_message = "bucket.storage_class and bucket.transition_class must be readable at once: STANDARD, STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING or GLACIER_IR. A restore cannot wait for GLACIER or DEEP_ARCHIVE."
  }
  validation {
    condition     = var.bucket.transition_class != "STANDARD"
    error_message = "bucket.transition_class must be cheaper than STANDARD, where objects begin: GLACIER_IR, STANDARD_IA, ONEZONE_IA or INTELLIGENT_TIERING."
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
    error_message = "bucket.expire_days must not be less than bucket.lock_days: a locked segment cannot be deleted."
  }
  validation {
    condition     = var.bucket.snapshot_expire_days == null ? true : var.bucket.snapshot_expire_days >= 7 && floor(var.bucket.snapshot_expire_days) == var.bucket.snapshot_expire_days
    error_message = "bucket.snapshot_expire_days must be a whole number, 7 or more: a snapshot a day at the least, and days to notice that there are none."
  }
  validation {
    condition     = var.bucket.snapshot_expire_days == null || var.bucket.lock_mode == "NONE" || try(var.bucket.snapshot_expire_days >= coalesce(var.bucket.lock_days, var.bucket.expire_days, 3650), false)
    error_message = "bucket.snapshot_expire_days must not be less than bucket.lock_days, whose default is expire_days or ten years: a locked snapshot cannot be deleted."
  }
  validation {
    condition     = var.bucket.expire_days == null || !local.has_patterns
    error_message = "bucket.expire_days takes lifecycle rules for each topic by its name: what a pattern of topics finds would never expire. Name the topics that expire (in a deployment of their own, where a pattern takes the others), or leave expire_days out and use a bucket with lifecycle rules of your own (bucket.create = false)."
  }
  validation {
    condition     = var.bucket.expire_days == null || length(var.topics) <= 90
    error_message = "bucket.expire_days takes ten of a bucket's 1000 lifecycle rules for each topic: at most 90 topics."
  }
}

variable "kms_key" {
  description = "Key for new objects, logs, alarms and schedules; null: the one that is made. It may be changed: what is stored stays readable. The policy of a key of your own must let CloudWatch Logs and CloudWatch alarms use it: see the README."
  type        = object({ arn = string })
  default     = null

  validation {
    condition     = var.kms_key == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key.arn))
    error_message = "kms_key.arn must be the ARN of a key, not of an alias."
  }
}

variable "make_kms_key" {
  description = "Whether the deployment has a key of its own. It stays when kms_key names another, because objects may be encrypted with it. Set false only together with kms_key and before the first apply: Terraform refuses to destroy a key."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.make_kms_key || var.kms_key != null
    error_message = "make_kms_key = false needs kms_key: objects, logs, alarms and schedules are always encrypted."
  }
}

variable "old_kms_key_arns" {
  description = "Keys of other accounts that objects in the bucket are encrypted with: the functions may read with them. Those of this account need no entry."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.old_kms_key_arns : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/[^*?]+$", arn))])
    error_message = "old_kms_key_arns must hold ARNs of keys, not of aliases, and without * and ?."
  }
}

variable "break_glass_role_arns" {
  description = "Roles that alone may disable the key that is made, or schedule its deletion. Default: no one."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.break_glass_role_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "break_glass_role_arns must hold ARNs of roles, without * and ?."
  }
}
