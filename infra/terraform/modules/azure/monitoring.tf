resource "azurerm_log_analytics_workspace" "this" {
  count = var.log_analytics_workspace == null ? 1 : 0

  name                = "${var.name}-logs"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  sku                 = "PerGB2018"
  retention_in_days   = var.log_retention_days

  # All senders use an identity or are inside of Azure.
  local_authentication_enabled = false
}

locals {
  workspace_id = var.log_analytics_workspace != null ? var.log_analytics_workspace.id : azurerm_log_analytics_workspace.this[0].id

  # An address and no credential: sending requires a role (local_authentication_enabled = false).
  insights_connection_string = nonsensitive(azurerm_application_insights.this.connection_string)
}

resource "azurerm_application_insights" "this" {
  name                = "${var.name}-insights"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  workspace_id        = local.workspace_id
  application_type    = "web"

  local_authentication_enabled = false
  # The alarms count reports, so there is no sampling (as in host.json).
  sampling_percentage = 100
}

# Audit log of writes and deletes of backups. Reads are not logged, because a restore reads everything.
resource "azurerm_monitor_diagnostic_setting" "backup" {
  count = var.storage.create ? 1 : 0

  name                       = "writes-and-deletes"
  target_resource_id         = "${azurerm_storage_account.backup[0].id}/blobServices/default"
  log_analytics_workspace_id = local.workspace_id

  enabled_log {
    category = "StorageWrite"
  }
  enabled_log {
    category = "StorageDelete"
  }
}

resource "azurerm_monitor_diagnostic_setting" "key_vault" {
  count = local.make_vault ? 1 : 0

  name                       = "audit"
  target_resource_id         = azurerm_key_vault.this[0].id
  log_analytics_workspace_id = local.workspace_id

  enabled_log {
    category = "AuditEvent"
  }
}
