variable "storage" {
  description = <<-EOT
    The storage account of the backups.
    - create: false: the account `account_id` is there already, with the container; versions, immutability, lifecycle, network and logs stay its owner's. For a restore from it, or to continue its backup where the state is lost.
    - account_id: resource ID of that account; it can be in another resource group, subscription of the tenant, or region.
    - container_name: the container.
    - prefix: STORAGE_PREFIX: a path before all names, without a slash at either end.
    - replication: ZRS (three zones), or GZRS, RAGZRS, GRS, RAGRS (a second region), or LRS (one data centre).
    - cool_after_days, cold_after_days: days from writing until a segment moves to a cheaper tier that still answers at once; null is never. Early deletion costs 30 and 90 days.
    - delete_after_days: days from writing until a segment is deleted; null keeps all. It applies to the partitions' folders of a topic's first generation: topic.json, restore checkpoints and later generations (orders@2) are kept. Only where `topics` are names. Never for compacted topics: their oldest segments hold the last values of keys, which a restore then lacks.
    - snapshot_delete_after_days: days from writing until snapshots of the cluster are deleted, 7 or more; null keeps all. While the backup goes on there is always a newer one; after it has stopped for so long there is none.
    - customer_key: encrypt with a key of your own in place of Microsoft's: key_vault_id, a vault with role-based access and purge protection, and key_name. Its newest version is used. Whoever deletes the key or takes the role away makes every backup unreadable.
    - recover_days: how long a deleted or overwritten object can be brought back, by soft delete and versions.
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
    error_message = "storage.account_id must be the resource ID of a storage account (az storage account show --query id) with storage.create = false, and null without."
  }
  validation {
    condition     = var.backup.enabled || var.restore != null && !var.storage.create
    error_message = "backup.enabled = false is for a restore from an account that exists: set restore, storage.create = false and storage.account_id. To end a deployment use terraform destroy."
  }
  validation {
    condition     = var.storage.create || alltrue([for days in [var.storage.cool_after_days, var.storage.cold_after_days, var.storage.delete_after_days, var.storage.snapshot_delete_after_days] : days == null])
    error_message = "storage: lifecycle rules of an account that exists are its owner's. With storage.create = false leave out cool_after_days, cold_after_days, delete_after_days and snapshot_delete_after_days."
  }
  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9]){2,62}$", var.storage.container_name))
    error_message = "storage.container_name must have 3 to 63 lowercase letters, digits and single hyphens, with a letter or digit at both ends."
  }
  validation {
    condition     = can(regex("^([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?$", var.storage.prefix)) && !anytrue([for part in split("/", var.storage.prefix) : endswith(part, ".")])
    error_message = "storage.prefix must be a path of letters, digits, '.', '_' and '-', without a slash at either end, and without a dot at the end of a part, which Azure would drop."
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
    error_message = "storage: cool_after_days must come before cold_after_days, and both before delete_after_days."
  }
  validation {
    condition     = var.storage.snapshot_delete_after_days == null ? true : var.storage.snapshot_delete_after_days >= 7 && var.storage.snapshot_delete_after_days <= 99999 && floor(var.storage.snapshot_delete_after_days) == var.storage.snapshot_delete_after_days
    error_message = "storage.snapshot_delete_after_days must be a whole number from 7 to 99999: a snapshot a day at the least, and days to notice that there are none."
  }
  validation {
    condition     = var.storage.delete_after_days == null || !local.has_patterns
    error_message = "storage.delete_after_days takes a lifecycle rule for each topic by its name: what a pattern of topics finds would never be deleted. Name the topics that expire (in a deployment of their own, where a pattern takes the others), or leave delete_after_days out: then all is kept."
  }
  validation {
    condition     = var.storage.delete_after_days == null || length(var.topics) <= 95
    error_message = "storage.delete_after_days takes one of an account's 100 lifecycle rules for each topic: at most 95 topics."
  }
  validation {
    condition = var.storage.customer_key == null ? true : (
      can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.KeyVault/vaults/[^/]+$", var.storage.customer_key.key_vault_id)) && can(regex("^[0-9A-Za-z-]{1,127}$", var.storage.customer_key.key_name))
    )
    error_message = "storage.customer_key must have the resource ID of a Key Vault and the name of a key in it: letters, digits and hyphens."
  }
  validation {
    condition     = var.storage.customer_key == null || var.storage.create
    error_message = "storage.customer_key is of the account that this module makes: with storage.create = false its owner encrypts it."
  }
  validation {
    condition     = var.storage.recover_days >= 7 && var.storage.recover_days <= 365 && floor(var.storage.recover_days) == var.storage.recover_days
    error_message = "storage.recover_days must be a whole number from 7 to 365."
  }
}

variable "immutability" {
  description = <<-EOT
    Keeps every version of every object from being deleted or changed for so many days (version-level immutability); null does not.
    - days: counted from the writing of a version.
    - locked: false can be lifted by an administrator; true can never be lifted or shortened, by nobody, and the account cannot be deleted before the last day. Azure takes true only from an account that has it unlocked: apply false first.
    It must be chosen when the account is made: adding or removing it later replaces the account, which this module refuses.
  EOT
  type = object({
    days   = number
    locked = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.immutability == null || var.storage.create
    error_message = "immutability is chosen when the account is made: it cannot be set with storage.create = false."
  }
  validation {
    condition     = var.immutability == null ? true : var.immutability.days >= 1 && var.immutability.days <= 146000 && floor(var.immutability.days) == var.immutability.days
    error_message = "immutability.days must be a whole number from 1 to 146000."
  }
  validation {
    condition     = var.immutability == null || var.storage.delete_after_days == null ? true : var.immutability.days <= var.storage.delete_after_days
    error_message = "immutability.days must not exceed storage.delete_after_days: the lifecycle rule would fail to delete."
  }
}

variable "management_lock" {
  description = "Whether to lock the account (CanNotDelete), so that it cannot be deleted, with all backups in it, before the lock is. The lock covers role assignments on it, too: set it false, apply, then set restore = null. It does not protect single objects: immutability does."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.management_lock || var.storage.create
    error_message = "management_lock is of the account that this module makes: with storage.create = false its owner locks it."
  }
}
