# Optional protection of the backups against deletion and access.

mock_provider "azurerm" {
  override_during = plan

  mock_data "azurerm_client_config" {
    defaults = {
      subscription_id = "00000000-0000-0000-0000-000000000001"
      tenant_id       = "00000000-0000-0000-0000-000000000002"
    }
  }
}
mock_provider "azapi" {}

override_resource {
  override_during = plan
  target          = azurerm_storage_account.backup[0]
  values          = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders/providers/Microsoft.Storage/storageAccounts/data" }
}
override_resource {
  override_during = plan
  target          = azurerm_key_vault.this[0]
  values          = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders/providers/Microsoft.KeyVault/vaults/orders-kv" }
}
override_resource {
  override_during = plan
  target          = azurerm_user_assigned_identity.key[0]
  values = {
    id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders/providers/Microsoft.ManagedIdentity/userAssignedIdentities/orders-key"
    principal_id = "33333333-0000-0000-0000-000000000003"
  }
}

variables {
  name                = "orders"
  resource_group_name = "rg-orders"
  location            = "westeurope"
  topics              = ["orders"]
  kafka               = { bootstrap_servers = "kafka01:9092", secrets = { "sasl.password" = "kafka-password" } }
  alarms              = { emails = ["oncall@example.org"] }
  management_lock     = true
}

run "a_lock" {
  command = plan

  assert {
    condition     = azapi_resource.lock[0].parent_id == azurerm_storage_account.backup[0].id && azapi_resource.lock[0].body.properties.level == "CanNotDelete"
    error_message = "The account cannot be deleted."
  }
}

run "an_account_that_anybody_can_delete" {
  command = plan
  variables {
    management_lock = false
  }
  expect_failures = [check.backups_can_be_deleted]
}

run "immutable_objects_are_enough" {
  command = plan
  variables {
    management_lock = false
    immutability    = { days = 400 }
    storage         = { delete_after_days = 400 }
  }

  assert {
    condition     = length(azapi_resource.lock) == 0
    error_message = "no lock by default"
  }
}

run "objects_that_outlive_their_protection" {
  command = plan
  variables {
    immutability = { days = 30 }
    storage      = { delete_after_days = 400 }
  }
  expect_failures = [check.immutability_ends_before_the_backups]
}

run "open_by_default" {
  command = plan

  assert {
    condition     = azurerm_storage_account.backup[0].public_network_access_enabled && length(azurerm_private_endpoint.this) == 0 && length(azurerm_user_assigned_identity.key) == 0 && length(azurerm_storage_account.backup[0].customer_managed_key) == 0
    error_message = "What costs money or can lose the backups is by choice."
  }
}

run "private_endpoints_only" {
  command = plan

  variables {
    network = {
      subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/functions"
      private_endpoints = {
        subnet_id         = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/endpoints"
        blob_dns_zone_ids = ["/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"]
      }
      public_access = false
    }
  }

  assert {
    condition = { for name, endpoint in azurerm_private_endpoint.this : name => [endpoint.subnet_id, endpoint.private_service_connection[0].private_connection_resource_id, join(",", endpoint.private_service_connection[0].subresource_names)] } == {
      blob  = [var.network.private_endpoints.subnet_id, azurerm_storage_account.backup[0].id, "blob"]
      vault = [var.network.private_endpoints.subnet_id, azurerm_key_vault.this[0].id, "vault"]
    }
    error_message = "The backups and the vault have a private endpoint each."
  }
  assert {
    condition     = azurerm_private_endpoint.this["blob"].private_dns_zone_group[0].private_dns_zone_ids == var.network.private_endpoints.blob_dns_zone_ids && length(azurerm_private_endpoint.this["vault"].private_dns_zone_group) == 0
    error_message = "Names are registered in the zones that are given."
  }
  assert {
    condition     = !azurerm_storage_account.backup[0].public_network_access_enabled && !azurerm_key_vault.this[0].public_network_access_enabled
    error_message = "Nothing reaches the backups and the vault from outside."
  }
  assert {
    condition     = azapi_resource.function["backup"].body.properties.publicNetworkAccess == "Disabled"
    error_message = "Nor the function app and its site for deployments."
  }
}

run "a_key_of_ones_own" {
  command = plan

  variables {
    storage = { customer_key = { key_vault_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-keys/providers/Microsoft.KeyVault/vaults/keys", key_name = "kafka-backup" } }
  }

  assert {
    condition     = azurerm_storage_account.backup[0].customer_managed_key[0].key_vault_key_id == "https://keys.vault.azure.net/keys/kafka-backup" && azurerm_storage_account.backup[0].customer_managed_key[0].user_assigned_identity_id == azurerm_user_assigned_identity.key[0].id
    error_message = "The account is encrypted with the newest version of that key."
  }
  assert {
    condition     = azurerm_storage_account.backup[0].identity[0].type == "UserAssigned" && azurerm_storage_account.backup[0].identity[0].identity_ids == toset([azurerm_user_assigned_identity.key[0].id])
    error_message = "The account has the identity that can use the key."
  }
  assert {
    condition     = "${azurerm_role_assignment.key[0].principal_id} ${azurerm_role_assignment.key[0].role_definition_name} ${azurerm_role_assignment.key[0].scope}" == "33333333-0000-0000-0000-000000000003 Key Vault Crypto Service Encryption User ${var.storage.customer_key.key_vault_id}/keys/kafka-backup"
    error_message = "It can use that key, and no other."
  }
}
