output "bucket_name" {
  description = "Name of the bucket."
  value       = local.bucket_name
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = local.bucket_arn
}

output "kms_key_arn" {
  description = "ARN of the created key, in use or not. null without make_key."
  value       = one(aws_kms_key.this[*].arn)

  # The key policy must allow CloudWatch Logs before the first use.
  depends_on = [aws_kms_key_policy.this]
}

output "expiring_prefixes" {
  description = "Prefixes of the objects that expire_days deletes."
  value       = local.expiring_prefixes
}

output "lock" {
  description = "Default lock of new objects: mode and days. null without a lock, or with a bucket that is not created."
  value       = one([for made in aws_s3_bucket_object_lock_configuration.this : { mode = made.rule[0].default_retention[0].mode, days = made.rule[0].default_retention[0].days }])
}
