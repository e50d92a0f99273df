output "bucket_name" {
  description = "Name of the bucket."
  value       = local.bucket_name
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = local.bucket_arn
}

output "kms_key_arn" {
  description = "ARN of the key of logs, alarms and schedules, and of the objects unless bucket.kms_key_arn is set."
  value       = local.key_arn
}

output "readable_key_arns" {
  description = "Keys with which the functions can decrypt objects of the bucket: the current key, the created key, old_kms_key_arns, and all keys of this account."
  value       = local.readable_key_arns
}

output "made_kms_key_arn" {
  description = "ARN of the created key, even if kms_key is another one. null with make_kms_key = false."
  value       = module.storage.kms_key_arn
}

output "functions" {
  description = "The functions by role (backup, restore): name, ARN, role ARN, log group."
  value = { for role in keys(local.functions) : role => {
    name      = aws_lambda_function.this[role].function_name
    arn       = aws_lambda_function.this[role].arn
    role_arn  = aws_iam_role.function[role].arn
    log_group = aws_cloudwatch_log_group.this[role].name
  } }
}

output "environment" {
  description = "Environment of the functions by role. It contains no secrets."
  value       = { for role, function in local.functions : role => function.environment }
}

output "policies" {
  description = "The rendered policies by role (backup, restore, scheduler), for reviews and tests."
  value = merge(
    { for role, document in data.aws_iam_policy_document.function : role => document.json },
    { scheduler = data.aws_iam_policy_document.scheduler.json },
  )
}

output "schedules" {
  description = "Names of the schedules: one for each shard of backup and restore."
  value       = concat(aws_scheduler_schedule.backup[*].name, aws_scheduler_schedule.restore[*].name)
}

output "failures_queue_url" {
  description = "URL of the queue of failed events."
  value       = aws_sqs_queue.failures.url
}

output "alarm_topic_arn" {
  description = "ARN of the SNS topic of the alarms. null without alarms."
  value       = one(local.alarm_topic)
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard. null without a dashboard."
  value       = one(aws_cloudwatch_dashboard.this[*].dashboard_name)
}

output "s3_endpoint_id" {
  description = "ID of the created S3 gateway endpoint, for an endpoint policy of your own. null if none was created."
  value       = one(aws_vpc_endpoint.s3[*].id)
}

output "security_group_id" {
  description = "Security group of the functions. null outside a VPC."
  value       = one(aws_security_group.function[*].id)
}
