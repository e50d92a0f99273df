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
