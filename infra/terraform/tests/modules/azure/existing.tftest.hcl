# A restore from an existing account: in another region, or after the state was lost.

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

variables {
  name                = "orders"
  resource_group_name = "rg-orders"
  location            = "northeurope"
  kafka               = { bootstrap_servers = "kafka01:9092" }
  backup              = { enabled = false }
  restore             = { backup_topics = ["*"], restore_topic = "{topic}", as_of = "latest", kafka = { bootstrap_servers = "other01:9092" } }
  storage = {
    create         = false
    account_id     = "/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg-old/providers/Microsoft.Storage/storageAccounts/olddata123456"
    container_name = "old-backup"
  }
  alarms = { emails = ["oncall@example.org"] }
}

run "only_a_restore" {
  command = plan

  assert {
    condition     = keys(azapi_resource.function) == ["restore"]
    error_message = "No backup, and no dummy topic for one."
  }
  assert {
    condition     = length(azurerm_storage_account.backup) + length(azurerm_storage_container.backup) + length(azurerm_storage_management_policy.backup) + length(azurerm_monitor_diagnostic_setting.backup) == 0
    error_message = "The existing account is not changed."
  }
  assert {
    condition = { for setting in azapi_resource.function["restore"].body.properties.siteConfig.appSettings : setting.name => setting.value if can(regex("^(AZURE_STORAGE|CONTAINER)", setting.name)) } == {
      AZURE_STORAGE_ACCOUNT_NAME = "olddata123456"
      CONTAINER_NAME             = "old-backup"
    }
    error_message = "It reads from that account."
  }
  assert {
    condition     = keys(azurerm_monitor_scheduled_query_rules_alert_v2.this) == ["errors", "restore-finished", "restore-stands-still"]
    error_message = "Without a backup there is no alarm about it."
  }
  assert {
    condition     = output.storage_account_id == var.storage.account_id && output.container_id == "${var.storage.account_id}/blobServices/default/containers/old-backup"
    error_message = "The outputs are of that account."
  }
}

run "its_role_reaches_that_account" {
  command = plan

  assert {
    condition     = azapi_resource.backups_role_assignment["restore"].parent_id == "${var.storage.account_id}/blobServices/default/containers/old-backup"
    error_message = "The role is on the container."
  }
  assert {
    condition     = startswith(azapi_resource.backups_role_assignment["restore"].body.properties.roleDefinitionId, "/subscriptions/00000000-0000-0000-0000-000000000009/providers/")
    error_message = "Azure answers with the subscription of the account."
  }
  assert {
    condition     = azapi_resource.blobs_role.body.properties.assignableScopes == tolist(["/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders", "/subscriptions/00000000-0000-0000-0000-000000000009/resourceGroups/rg-old"])
    error_message = "The role can be assigned where the account is."
  }
}

run "a_backup_continues" {
  command = plan

  variables {
    backup = {}
    topics = ["orders"]
  }

  assert {
    condition     = keys(azapi_resource.function) == ["backup", "restore"] && length(azurerm_storage_account.backup) == 0 && contains(keys(azurerm_monitor_scheduled_query_rules_alert_v2.this), "no-backup")
    error_message = "After a lost state the backup continues in the account that is there."
  }
}
