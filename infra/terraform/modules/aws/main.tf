data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account    = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  dns_suffix = data.aws_partition.current.dns_suffix
  region     = data.aws_region.current.region

  tags = merge({ Application = "kafka-backup", Deployment = var.name }, var.tags)

  roles = var.restore == null ? ["backup"] : ["backup", "restore"]

  # The functions, by role. Each has its own IAM role, log group, schedules and alarms.
  functions = merge(
    {
      backup = {
        package_path    = var.backup.package_path
        package_s3      = var.backup.package_s3
        image_uri       = var.backup.image_uri
        memory_mb       = var.backup.memory_mb
        timeout_seconds = var.backup.timeout_seconds
        concurrency     = var.schedule.shards
        kafka           = var.kafka
        environment     = local.backup_environment
        description     = "Backs up Kafka topics to s3://${local.bucket_name}"
      }
    },
    var.restore == null ? {} : {
      restore = {
        package_path    = var.restore.package_path
        package_s3      = var.restore.package_s3
        image_uri       = var.restore.image_uri
        memory_mb       = var.restore.memory_mb
        timeout_seconds = var.restore.timeout_seconds
        concurrency     = var.restore.shards
        kafka           = local.restore_kafka
        environment     = local.restore_environment
        description     = substr("Restores ${join(", ", local.restored)} to ${var.restore.restore_topic}", 0, 256)
      }
    },
  )
  function_names = { for role in ["backup", "restore"] : role => "${var.name}-${role}" }

  # Seconds between two starts of the backup, and of the restore; null for a cron expression.
  rate_pattern     = "^rate\\(([0-9]+) (minute|hour|day)s?\\)$"
  unit_seconds     = { minute = 60, hour = 3600, day = 86400 }
  schedule_rate    = try(regex(local.rate_pattern, var.schedule.expression), null)
  schedule_seconds = try(tonumber(local.schedule_rate[0]) * local.unit_seconds[local.schedule_rate[1]], null)

  # The longest time between two starts, or less. Of a cron expression the minutes and the hours count, as a number or a step (0/10); all else as *.
  cron_fields      = try(split(" ", trimspace(regex("^cron\\((.*)\\)$", var.schedule.expression)[0])), [])
  cron_gaps        = [for field, most in [60, 24] : can(regex("^[0-9]+$", local.cron_fields[field])) ? most : try(tonumber(regex("^(?:[*]|[0-9]+)/([0-9]+)$", local.cron_fields[field])[0]), 1)]
  longest_interval = local.schedule_seconds != null ? local.schedule_seconds : 60 * (60 * (local.cron_gaps[1] - 1) + local.cron_gaps[0])

  restore_rate    = try(regex(local.rate_pattern, var.restore.expression), null)
  restore_seconds = try(tonumber(local.restore_rate[0]) * local.unit_seconds[local.restore_rate[1]], null)
}
