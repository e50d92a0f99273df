output "resource_group_name" {
  description = "The resource group of everything."
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
  description = "The function apps by function (backup, restore): what packages are deployed to."
  value       = module.kafka_backup.function_app_names
}

output "function_app_ids" {
  description = "Resource IDs of the function apps by function (backup, restore)."
  value       = module.kafka_backup.function_app_ids
}

output "key_vault_name" {
  description = "The Key Vault to put the Kafka secrets into, or null without any."
  value       = module.kafka_backup.key_vault_name
}

output "key_vault_id" {
  description = "Resource ID of that Key Vault, or null."
  value       = module.kafka_backup.key_vault_id
}

output "application_insights_id" {
  description = "Resource ID of the Application Insights component: where to query the logs."
  value       = module.kafka_backup.application_insights_id
}
