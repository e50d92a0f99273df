output "bucket" {
  description = "The copy, in its own account and region."
  value       = module.copy.bucket_name
}

output "kms_key_arn" {
  description = "The key of the copy."
  value       = module.copy.kms_key_arn
}

output "restore_function" {
  description = "Name of the restore function. null without a restore."
  value       = one(module.restore[*].functions["restore"].name)
}

output "failures_queue_url" {
  description = "URL of the queue of failed events of the restore. null without a restore."
  value       = one(module.restore[*].failures_queue_url)
}
