output "resource_group_name" {
  description = "The resource group of all resources."
  value       = azurerm_resource_group.this.name
}

output "storage_account_name" {
  description = "The storage account of the backups."
  value       = module.kafka_backup.storage_account_name
}

output "container_name" {
  description = "The container of the backups."
  value       = module.kafka_backup.container_name
}

output "container_id" {
  description = "Resource ID of the container: the scope for the roles of people who read backups."
  value       = module.kafka_backup.container_id
}

output "function_app_names" {
  description = "Names of the function apps by function (backup, restore), for the deployment of packages."
  value       = module.kafka_backup.function_app_names
}

output "function_app_ids" {
  description = "Resource IDs of the function apps by function (backup, restore)."
  value       = module.kafka_backup.function_app_ids
}

output "key_vault_name" {
  description = "The Key Vault for the Kafka secrets. null without secrets."
  value       = module.kafka_backup.key_vault_name
}

output "key_vault_id" {
  description = "Resource ID of that Key Vault. null without secrets."
  value       = module.kafka_backup.key_vault_id
}

output "application_insights_id" {
  description = "Resource ID of the Application Insights component with the logs."
  value       = module.kafka_backup.application_insights_id
}
