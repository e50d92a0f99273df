output "storage_account_name" {
  description = "The storage account of the backups."
  value       = local.account_name
}

output "storage_account_id" {
  description = "Resource ID of the storage account of the backups: for locks, private endpoints, replication, and `storage.account_id` of other deployments."
  value       = local.account_id
}

output "container_name" {
  description = "The container of the backups."
  value       = local.container_name
}

output "container_id" {
  description = "Resource ID of the container: the scope for the roles of people who read backups."
  value       = local.container_id
}

output "function_app_names" {
  description = "Names of the function apps by function (backup, restore), for the deployment of packages."
  value       = { for name, app in azapi_resource.function : name => app.name }
}

output "function_app_ids" {
  description = "Resource IDs of the function apps by function (backup, restore)."
  value       = { for name, app in azapi_resource.function : name => app.id }
}

output "identity_principal_ids" {
  description = "Object IDs of the functions' identities by function (backup, restore), for further roles."
  value       = { for name, identity in azurerm_user_assigned_identity.function : name => identity.principal_id }
}

output "key_vault_name" {
  description = "The Key Vault with the secrets of kafka.secrets. null without secrets."
  value       = local.key_vault_name
}

output "key_vault_id" {
  description = "Resource ID of that Key Vault. null without secrets."
  value       = local.key_vault_id
}

output "application_insights_id" {
  description = "Resource ID of the Application Insights component with the logs and reports."
  value       = azurerm_application_insights.this.id
}

output "log_analytics_workspace_id" {
  description = "Resource ID of the Log Analytics workspace of that component."
  value       = local.workspace_id
}

output "workbook_id" {
  description = "Resource ID of the workbook with charts of the reports. In the portal: Application Insights, Workbooks."
  value       = azapi_resource.workbook.id
}

output "action_group_id" {
  description = "Resource ID of the action group for alarms.emails. null without emails."
  value       = one(azurerm_monitor_action_group.this[*].id)
}

output "configuration_keys" {
  description = "Configuration keys of each function, without those of the platform."
  value       = { for name in keys(local.functions) : name => sort(setsubtract(keys(local.app_settings[name]), keys(local.platform_settings[name]))) }
}
