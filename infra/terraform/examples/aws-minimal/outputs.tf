output "bucket" {
  description = "The bucket of the backups."
  value       = module.kafka_backup.bucket_name
}

output "secret_id" {
  description = "The secret for the Kafka user and password."
  value       = aws_secretsmanager_secret.kafka.name
}

output "backup_function" {
  description = "Name of the backup function."
  value       = module.kafka_backup.functions["backup"].name
}

output "restore_function" {
  description = "Name of the restore function."
  value       = module.kafka_backup.functions["restore"].name
}

output "failures_queue_url" {
  description = "URL of the queue of failed events."
  value       = module.kafka_backup.failures_queue_url
}

output "dashboard_url" {
  description = "The dashboard."
  value       = "https://${var.region}.console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${module.kafka_backup.dashboard_name}"
}
