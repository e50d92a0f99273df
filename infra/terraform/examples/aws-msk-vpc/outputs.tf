output "bucket" {
  description = "The bucket of the backups."
  value       = module.kafka_backup.bucket_name
}

output "functions" {
  description = "The functions: name, ARN, role ARN, log group."
  value       = module.kafka_backup.functions
}

output "schedules" {
  description = "Names of the schedules."
  value       = module.kafka_backup.schedules
}

output "failures_queue_url" {
  description = "URL of the queue of failed events."
  value       = module.kafka_backup.failures_queue_url
}

output "alarm_topic_arn" {
  description = "SNS topic of the alarms."
  value       = module.kafka_backup.alarm_topic_arn
}

output "security_group_id" {
  description = "Security group of the functions."
  value       = module.kafka_backup.security_group_id
}
