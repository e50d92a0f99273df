output "bucket" {
  description = "The bucket of the backups, in the account of the vault."
  value       = module.vault.bucket_name
}

output "kms_key_arn" {
  description = "The key of the backups, in the account of the vault."
  value       = module.vault.kms_key_arn
}

output "functions" {
  description = "The functions: name, ARN, role ARN, log group."
  value       = module.kafka_backup.functions
}

output "failures_queue_url" {
  description = "URL of the queue of failed events."
  value       = module.kafka_backup.failures_queue_url
}
