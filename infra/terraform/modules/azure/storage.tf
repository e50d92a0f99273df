# The storage account of the backups: created here, or an existing one.
locals {
  account_id     = var.storage.create ? azurerm_storage_account.backup[0].id : var.storage.account_id
  account_name   = var.storage.create ? azurerm_storage_account.backup[0].name : reverse(split("/", var.storage.account_id))[0]
  container_name = var.storage.create ? azurerm_storage_container.backup[0].name : var.storage.container_name
  container_id   = var.storage.create ? azurerm_storage_container.backup[0].id : "${var.storage.account_id}/blobServices/default/containers/${var.storage.container_name}"

  # /subscriptions/ID/resourceGroups/NAME of the account.
  account_group_id = var.storage.create ? local.resource_group_id : join("/", slice(split("/", var.storage.account_id), 0, 5))
}

# It contains the backups and nothing else.
resource "azurerm_storage_account" "backup" {
  #checkov:skip=CKV_AZURE_33:It contains no queue.
  #checkov:skip=CKV_AZURE_35:Outside of a virtual network a function has no fixed address. With var.network everything but the subnet is denied.
  #checkov:skip=CKV_AZURE_43:The name is computed, which the check cannot evaluate; a test checks its 24 letters and digits.
  #checkov:skip=CKV_AZURE_59:Optional (network.public_access): it requires private endpoints. Access only by identity: no keys, no anonymous access.
  #checkov:skip=CKV_AZURE_206:storage.replication is ZRS by default.
  #checkov:skip=CKV2_AZURE_1:Optional (storage.customer_key): Microsoft's keys encrypt twice, and the loss of a customer key loses the backups.
  #checkov:skip=CKV2_AZURE_33:A service endpoint (var.network) keeps the traffic inside; a private endpoint costs 7 dollars a month, and is optional (network.private_endpoints).
  count = var.storage.create ? 1 : 0

  name                = "${local.compact}data${local.suffix}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  account_kind             = "StorageV2"
  account_tier             = "Standard"
  account_replication_type = var.storage.replication

  min_tls_version                   = "TLS1_2"
  https_traffic_only_enabled        = true
  shared_access_key_enabled         = false
  default_to_oauth_authentication   = true
  allow_nested_items_to_be_public   = false
  allowed_copy_scope                = "AAD"
  cross_tenant_replication_enabled  = false
  local_user_enabled                = false
  infrastructure_encryption_enabled = true

  sas_policy {
    expiration_period = "01.00:00:00"
    expiration_action = "Log"
  }

  public_network_access_enabled = local.public_access

  dynamic "identity" {
    for_each = azurerm_user_assigned_identity.key[*].id

    content {
      type         = "UserAssigned"
      identity_ids = [identity.value]
    }
  }

  dynamic "customer_managed_key" {
    for_each = azurerm_user_assigned_identity.key[*].id

    content {
      # Without a version: Azure uses the newest one.
      key_vault_key_id          = "https://${reverse(split("/", var.storage.customer_key.key_vault_id))[0]}.vault.azure.net/keys/${var.storage.customer_key.key_name}"
      user_assigned_identity_id = customer_managed_key.value
    }
  }

  blob_properties {
    versioning_enabled = true

    delete_retention_policy {
      days = var.storage.recover_days
    }
    container_delete_retention_policy {
      days = var.storage.recover_days
    }
  }

  # For versions, not for the container: a policy of the container forbids overwriting, and restores overwrite their checkpoints.
  dynamic "immutability_policy" {
    for_each = var.immutability[*]

    content {
      period_since_creation_in_days = immutability_policy.value.days
      state                         = immutability_policy.value.locked ? "Locked" : "Unlocked"
      allow_protected_append_writes = false
    }
  }

  network_rules {
    default_action             = var.network == null ? "Allow" : "Deny"
    bypass                     = ["AzureServices"]
    ip_rules                   = var.network == null ? [] : var.network.allowed_ip_ranges
    virtual_network_subnet_ids = var.network[*].subnet_id
  }

  # The account needs the right to use the key before it is created.
  depends_on = [azurerm_role_assignment.key]

  # Deleting the account deletes all backups. The README has how to destroy everything else, and how to remove the account from the state.
  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_storage_container" "backup" {
  #checkov:skip=CKV2_AZURE_21:Writes and deletes are logged (monitoring.tf); logging every read would cost more than the reads.
  count = var.storage.create ? 1 : 0

  name                  = var.storage.container_name
  storage_account_id    = azurerm_storage_account.backup[0].id
  container_access_type = "private"

  lifecycle {
    prevent_destroy = true
  }
}

locals {
  container_path = "${local.container_name}/${local.prefix}"

  # Ten prefixes in a rule: the folders of partitions begin with a digit, and topic.json does not.
  expiring_topics = var.storage.delete_after_days == null ? toset([]) : toset(local.topic_names)
}

resource "azurerm_storage_management_policy" "backup" {
  count = var.storage.create ? 1 : 0

  storage_account_id = azurerm_storage_account.backup[0].id

  rule {
    name    = "old-versions"
    enabled = true

    filters {
      blob_types = ["blockBlob"]
    }
    actions {
      version {
        delete_after_days_since_creation = var.storage.recover_days
      }
    }
  }

  dynamic "rule" {
    for_each = var.storage.cool_after_days == null && var.storage.cold_after_days == null ? [] : ["tiers"]

    content {
      name    = rule.value
      enabled = true

      filters {
        blob_types   = ["blockBlob"]
        prefix_match = [local.container_path]
      }
      actions {
        base_blob {
          tier_to_cool_after_days_since_modification_greater_than = var.storage.cool_after_days
          tier_to_cold_after_days_since_modification_greater_than = var.storage.cold_after_days
        }
      }
    }
  }

  # By age only: no rule can keep one snapshot a day (docs/decisions/0006-snapshots-expire-by-age-or-not-at-all.md).
  dynamic "rule" {
    for_each = var.storage.snapshot_delete_after_days == null ? [] : [var.storage.snapshot_delete_after_days]

    content {
      name    = "snapshots"
      enabled = true

      filters {
        blob_types   = ["blockBlob"]
        prefix_match = ["${local.container_path}@cluster/"]
      }
      actions {
        base_blob {
          delete_after_days_since_modification_greater_than = rule.value
        }
      }
    }
  }

  dynamic "rule" {
    for_each = local.expiring_topics

    content {
      # Names of rules can contain only letters and digits.
      name    = "expire${substr(sha256(rule.value), 0, 16)}"
      enabled = true

      filters {
        blob_types   = ["blockBlob"]
        prefix_match = [for digit in range(10) : "${local.container_path}${rule.value}/${digit}"]
      }
      actions {
        base_blob {
          delete_after_days_since_modification_greater_than = var.storage.delete_after_days
        }
      }
    }
  }
}
