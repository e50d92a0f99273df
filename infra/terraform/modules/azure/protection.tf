# Optional protection of the backups against deletion and access by others. Each option has a cost.

resource "azapi_resource" "lock" {
  count = var.management_lock && var.storage.create ? 1 : 0

  type      = "Microsoft.Authorization/locks@2020-05-01"
  name      = "${var.name}-backups"
  parent_id = local.account_id

  body = {
    properties = {
      level = "CanNotDelete"
      notes = "This account holds the only copy of Kafka's backups."
    }
  }

  ignore_casing = true
  retry         = local.retry
}

check "backups_can_be_deleted" {
  assert {
    condition     = !var.storage.create || var.management_lock || var.immutability != null
    error_message = "Everyone with the right to delete storage accounts in this resource group can delete all backups, and recovery is not guaranteed. Set management_lock = true, or immutability, which must be set before the first apply."
  }
}

check "immutability_ends_before_the_backups" {
  assert {
    condition     = try(var.immutability.days >= var.storage.delete_after_days, true)
    error_message = "Segments are kept for ${coalesce(var.storage.delete_after_days, 0)} days but protected only for ${try(var.immutability.days, 0)} days after their upload, so older ones can be deleted. Set immutability.days to storage.delete_after_days."
  }
}

check "nobody_hears_the_alarms" {
  assert {
    condition     = length(var.alarms.emails) + length(var.alarms.action_group_ids) > 0
    error_message = "The alarms have no recipient. Set alarms.emails or alarms.action_group_ids."
  }
}

# Customer key.
resource "azurerm_user_assigned_identity" "key" {
  count = var.storage.customer_key == null ? 0 : 1

  name                = "${var.name}-key"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

resource "azurerm_role_assignment" "key" {
  count = var.storage.customer_key == null ? 0 : 1

  description          = "Kafka: the storage account of the backups uses this key."
  scope                = "${var.storage.customer_key.key_vault_id}/keys/${var.storage.customer_key.key_name}"
  role_definition_name = "Key Vault Crypto Service Encryption User"
  principal_id         = azurerm_user_assigned_identity.key[0].principal_id
  principal_type       = "ServicePrincipal"
}

locals {
  public_access = try(var.network.public_access, true)

  # Created resources that support private endpoints.
  private_endpoints = try(var.network.private_endpoints, null) == null ? {} : merge(
    { for id in local.made_accounts : "blob" => { id = id, subresource = "blob", zones = var.network.private_endpoints.blob_dns_zone_ids } },
    { for id in azurerm_key_vault.this[*].id : "vault" => { id = id, subresource = "vault", zones = var.network.private_endpoints.vault_dns_zone_ids } },
  )
  made_accounts = azurerm_storage_account.backup[*].id
}

resource "azurerm_private_endpoint" "this" {
  for_each = local.private_endpoints

  name                = "${var.name}-${each.key}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  subnet_id           = var.network.private_endpoints.subnet_id

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = each.value.id
    subresource_names              = [each.value.subresource]
    is_manual_connection           = false
  }

  dynamic "private_dns_zone_group" {
    for_each = length(each.value.zones) == 0 ? [] : [each.value.zones]

    content {
      name                 = "default"
      private_dns_zone_ids = private_dns_zone_group.value
    }
  }
}
