variable "storage" {
  description = <<-EOT
    The storage account of the backups.
    - create: false uses the existing account `account_id` with its container. Its owner manages versions, immutability, lifecycle, network and logs. For a restore from it, or to continue its backup after the state was lost.
    - account_id: resource ID of that account. It can be in another resource group, region, or subscription of the tenant.
    - container_name: name of the container.
    - prefix: prefix of all object names, without a slash at either end (STORAGE_PREFIX).
    - replication: ZRS (three zones), or GZRS, RAGZRS, GRS, RAGRS (a second region), or LRS (one data centre).
    - cool_after_days, cold_after_days: days until a segment moves to a cheaper tier with immediate access. null: never. Early deletion is charged as 30 and 90 days.
    - delete_after_days: days until a segment is deleted. null: never. topic.json, restore checkpoints and later generations (orders@2) are kept. Requires names in `topics`, without patterns. Do not use it for compacted topics: their oldest segments contain the last values of keys.
    - snapshot_delete_after_days: days until snapshots of the cluster are deleted, 7 or more. null: never. While the backup runs there is always a newer one. After it has stopped for this time there is none.
    - customer_key: encrypt with your own key instead of Microsoft's: key_vault_id, a vault with role-based access and purge protection, and key_name. Its newest version is used. Without the key, or without the role on it, all backups are unreadable.
    - recover_days: days for which deleted and overwritten objects can be recovered, by soft delete and versions.
  EOT
  type = object({
    create                     = optional(bool, true)
    account_id                 = optional(string)
    container_name             = optional(string, "kafka-backup")
    prefix                     = optional(string, "")
    replication                = optional(string, "ZRS")
    cool_after_days            = optional(number)
    cold_after_days            = optional(number)
    delete_after_days          = optional(number)
    snapshot_delete_after_days = optional(number)
    customer_key               = optional(object({ key_vault_id = string, key_name = string }))
    recover_days               = optional(number, 30)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.storage.create ? var.storage.account_id == null : can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Storage/storageAccounts/[a-z0-9]{3,24}$", var.storage.account_id))
    error_message = "storage.account_id must be the resource ID of a storage account (az storage account show --query id) with storage.create = false, and null otherwise."
  }
  validation {
    condition     = var.backup.enabled || var.restore != null && !var.storage.create
    error_message = "backup.enabled = false requires a restore from an existing account: set restore, storage.create = false and storage.account_id. To remove a deployment use terraform destroy."
  }
  validation {
    condition     = var.storage.create || alltrue([for days in [var.storage.cool_after_days, var.storage.cold_after_days, var.storage.delete_after_days, var.storage.snapshot_delete_after_days] : days == null])
    error_message = "storage.create = false cannot be combined with lifecycle rules, which the owner of the account manages. Remove cool_after_days, cold_after_days, delete_after_days and snapshot_delete_after_days."
  }
  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9]){2,62}$", var.storage.container_name))
    error_message = "storage.container_name must have 3 to 63 lowercase letters, digits and single hyphens, with a letter or digit at both ends."
  }
  validation {
    condition     = can(regex("^([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?$", var.storage.prefix)) && !anytrue([for part in split("/", var.storage.prefix) : endswith(part, ".")])
    error_message = "storage.prefix must be a path of letters, digits, '.', '_' and '-', without a slash at either end, and without a dot at the end of a part, which Azure removes."
  }
  validation {
    condition     = contains(["LRS", "ZRS", "GRS", "RAGRS", "GZRS", "RAGZRS"], var.storage.replication)
    error_message = "storage.replication must be LRS, ZRS, GRS, RAGRS, GZRS or RAGZRS."
  }
  validation {
    condition = alltrue([
      for days in [var.storage.cool_after_days, var.storage.cold_after_days, var.storage.delete_after_days] : days == null ? true : days >= 1 && days <= 99999 && floor(days) == days
    ])
    error_message = "storage.cool_after_days, cold_after_days and delete_after_days must be whole numbers from 1 to 99999."
  }
  validation {
    condition     = coalesce(var.storage.cool_after_days, 0) < coalesce(var.storage.cold_after_days, 100000) && max(coalesce(var.storage.cool_after_days, 0), coalesce(var.storage.cold_after_days, 0)) < coalesce(var.storage.delete_after_days, 100000)
    error_message = "storage.cool_after_days must be less than cold_after_days, and both less than delete_after_days."
  }
  validation {
    condition     = var.storage.snapshot_delete_after_days == null ? true : var.storage.snapshot_delete_after_days >= 7 && var.storage.snapshot_delete_after_days <= 99999 && floor(var.storage.snapshot_delete_after_days) == var.storage.snapshot_delete_after_days
    error_message = "storage.snapshot_delete_after_days must be a whole number from 7 to 99999, so that there is time to notice missing snapshots."
  }
  validation {
    condition     = var.storage.delete_after_days == null || !local.has_patterns
    error_message = "storage.delete_after_days creates a lifecycle rule for each topic by name, so topics that a pattern matches would never expire. Name the topics that expire, if necessary in a deployment of their own. Or remove delete_after_days."
  }
  validation {
    condition     = var.storage.delete_after_days == null || length(var.topics) <= 95
    error_message = "storage.delete_after_days supports at most 95 topics: each needs one of the 100 lifecycle rules of an account. Use several deployments."
  }
  validation {
    condition = var.storage.customer_key == null ? true : (
      can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.KeyVault/vaults/[^/]+$", var.storage.customer_key.key_vault_id)) && can(regex("^[0-9A-Za-z-]{1,127}$", var.storage.customer_key.key_name))
    )
    error_message = "storage.customer_key must have the resource ID of a Key Vault and the name of a key in it: letters, digits and hyphens."
  }
  validation {
    condition     = var.storage.customer_key == null || var.storage.create
    error_message = "storage.customer_key requires storage.create = true: the owner of an existing account manages its encryption."
  }
  validation {
    condition     = var.storage.recover_days >= 7 && var.storage.recover_days <= 365 && floor(var.storage.recover_days) == var.storage.recover_days
    error_message = "storage.recover_days must be a whole number from 7 to 365."
  }
}

variable "immutability" {
  description = <<-EOT
    Version-level immutability: no version of an object can be changed or deleted for this time. null: none.
    - days: days after the upload of a version.
    - locked: false: an administrator can lift it. true: no one can lift or shorten it, and the account cannot be deleted before the last day. Azure accepts true only after false: apply false first.
    It must be chosen when the account is made: adding or removing it later replaces the account, which this module refuses.
  EOT
  type = object({
    days   = number
    locked = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.immutability == null || var.storage.create
    error_message = "immutability requires storage.create = true: it can be set only when the account is created."
  }
  validation {
    condition     = var.immutability == null ? true : var.immutability.days >= 1 && var.immutability.days <= 146000 && floor(var.immutability.days) == var.immutability.days
    error_message = "immutability.days must be a whole number from 1 to 146000."
  }
  validation {
    condition     = var.immutability == null || var.storage.delete_after_days == null ? true : var.immutability.days <= var.storage.delete_after_days
    error_message = "immutability.days must not exceed storage.delete_after_days, because the lifecycle rule could not delete."
  }
  validation {
    condition     = var.immutability == null || var.storage.snapshot_delete_after_days == null ? true : var.immutability.days <= var.storage.snapshot_delete_after_days
    error_message = "immutability.days must not exceed storage.snapshot_delete_after_days, because an immutable snapshot cannot be deleted. Increase snapshot_delete_after_days, or remove it: then snapshots are never deleted."
  }
}

variable "management_lock" {
  description = "Lock the account (CanNotDelete). It cannot be deleted, with all backups in it, before the lock is. The lock also covers role assignments on the account: set false and apply before you set restore = null. It does not protect single objects; immutability does."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.management_lock || var.storage.create
    error_message = "management_lock requires storage.create = true: the owner of an existing account manages its locks."
  }
}
