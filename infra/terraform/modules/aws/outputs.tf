output "bucket_name" {
  description = "Name of the bucket."
  value       = local.bucket_name
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = local.bucket_arn
}

output "kms_key_arn" {
  description = "ARN of the key of logs, alarms, schedules and, unless bucket.kms_key_arn says otherwise, of the objects."
  value       = local.key_arn
}

output "readable_key_arns" {
  description = "Keys that the functions may read objects of the bucket with: the one in use, the one that was made, the old ones, and any of this account."
  value       = local.readable_key_arns
}

output "made_kms_key_arn" {
  description = "ARN of the key that was made, also where kms_key names another; null with make_kms_key = false."
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
  description = "Environment of the functions by role. It holds no secrets."
  value       = { for role, function in local.functions : role => function.environment }
}

output "policies" {
  description = "The policies as rendered, by role (backup, restore, scheduler), for reviewers and for tests."
  value = merge(
    { for role, document in data.aws_iam_policy_document.function : role => document.json },
    { scheduler = data.aws_iam_policy_document.scheduler.json },
  )
}

output "schedules" {
  description = "Names of the schedules: one for each shard, and that of the restore."
  value       = concat(aws_scheduler_schedule.backup[*].name, aws_scheduler_schedule.restore[*].name)
}

output "failures_queue_url" {
  description = "URL of the queue of failed events."
  value       = aws_sqs_queue.failures.url
}

output "alarm_topic_arn" {
  description = "ARN of the SNS topic that gets the alarms; null without alarms."
  value       = one(local.alarm_topic)
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard; null without one."
  value       = one(aws_cloudwatch_dashboard.this[*].dashboard_name)
}

output "s3_endpoint_id" {
  description = "The S3 gateway endpoint that was made, for a policy of your own; null without."
  value       = one(aws_vpc_endpoint.s3[*].id)
}

output "security_group_id" {
  description = "Security group of the functions; null outside a VPC."
  value       = one(aws_security_group.function[*].id)
}
