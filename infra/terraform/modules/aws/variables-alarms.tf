variable "alarms" {
  description = <<-EOT
    Alarms, their thresholds and their recipients.
    - enabled: false: no alarms.
    - topic: SNS topic for the alarms. Default: the module creates one.
    - emails: subscribers of the created topic. Each must confirm the subscription once.
    - runbook_url: address of docs/runbook.md, for example of your copy. The description of each alarm links to its section.
    - stale_minutes: time without a successful run of a backup shard: 6 to 10080, a multiple of 6, at least twice the interval of the backup.
    - recovery_minutes: maximum recovery point of a shard, which is the age of its oldest record that is not backed up: 1 to 10080, more than backup.retry_upload_seconds.
    - snapshot_minutes: maximum age of the newest snapshot of the cluster: 1 to 10080, at least twice backup.snapshot_seconds.
    - held_records: maximum number of records of a shard that open transactions hold back for lag_growing_minutes.
    - lag_records: maximum lag of a shard, in records. Default: no alarm on the lag itself.
    - lag_growing_minutes: time for which the largest lag of a shard grows: 30 to 10080, a multiple of 6, at least six times the interval of the backup.
    - restore_minutes: time without progress, or without a report, of an enabled restore that has an end: 30 to 10080, a multiple of 6, at least six times its interval.
    - errors_in_a_row: consecutive failed runs, 1 to 12, limited to those within a week. With a cron expression every failed run raises the alarm.
  EOT
  type = object({
    enabled             = optional(bool, true)
    topic               = optional(object({ arn = string }))
    emails              = optional(list(string), [])
    runbook_url         = optional(string, "https://example.com/kafka-backup/blob/main/docs/runbook.md")
    stale_minutes       = optional(number, 30)
    recovery_minutes    = optional(number, 60)
    snapshot_minutes    = optional(number, 60)
    held_records        = optional(number, 10000)
    lag_records         = optional(number)
    lag_growing_minutes = optional(number, 60)
    restore_minutes     = optional(number, 60)
    errors_in_a_row     = optional(number, 2)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.alarms.topic == null || can(regex("^arn:[^:]+:sns:[^:]+:[0-9]{12}:.+$", var.alarms.topic.arn))
    error_message = "alarms.topic.arn must be the ARN of an SNS topic."
  }
  validation {
    condition     = alltrue([for email in var.alarms.emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))])
    error_message = "alarms.emails must contain e-mail addresses."
  }
  validation {
    condition     = length(var.alarms.emails) == 0 || var.alarms.topic == null
    error_message = "alarms.emails can only subscribe to the topic that the module creates. Remove alarms.topic or alarms.emails."
  }
  validation {
    condition     = can(regex("^https?://[^ #]+$", var.alarms.runbook_url)) && length(var.alarms.runbook_url) <= 300
    error_message = "alarms.runbook_url must be an address without #, of at most 300 characters."
  }
  validation {
    condition     = var.alarms.stale_minutes >= 6 && var.alarms.stale_minutes <= 10080 && var.alarms.stale_minutes % 6 == 0
    error_message = "alarms.stale_minutes must be from 6 to 10080 (a week), a multiple of 6."
  }
  validation {
    condition     = var.alarms.stale_minutes * 60 >= 2 * local.longest_interval
    error_message = "alarms.stale_minutes must be at least twice the interval of the backup. Otherwise the alarm is raised without a problem."
  }
  validation {
    condition     = var.alarms.recovery_minutes >= 1 && var.alarms.recovery_minutes <= 10080
    error_message = "alarms.recovery_minutes must be from 1 to 10080 (a week)."
  }
  validation {
    condition     = var.alarms.recovery_minutes * 60 > var.backup.retry_upload_seconds
    error_message = "alarms.recovery_minutes must be more than backup.retry_upload_seconds, because a partly filled segment waits that long."
  }
  validation {
    condition     = var.alarms.snapshot_minutes >= 1 && var.alarms.snapshot_minutes <= 10080
    error_message = "alarms.snapshot_minutes must be from 1 to 10080 (a week)."
  }
  validation {
    condition     = var.alarms.snapshot_minutes * 60 >= 2 * var.backup.snapshot_seconds
    error_message = "alarms.snapshot_minutes must be at least twice backup.snapshot_seconds. Otherwise the alarm is raised without a problem."
  }
  validation {
    condition     = var.alarms.held_records >= 0
    error_message = "alarms.held_records must be 0 or more."
  }
  validation {
    condition     = var.alarms.lag_records == null ? true : var.alarms.lag_records > 0
    error_message = "alarms.lag_records must be more than 0."
  }
  validation {
    condition     = var.alarms.lag_growing_minutes >= 30 && var.alarms.lag_growing_minutes <= 10080 && var.alarms.lag_growing_minutes % 6 == 0
    error_message = "alarms.lag_growing_minutes must be from 30 to 10080 (a week), a multiple of 6."
  }
  validation {
    condition     = var.alarms.lag_growing_minutes * 60 >= 6 * local.longest_interval
    error_message = "alarms.lag_growing_minutes must be at least six times the interval of the backup, because the alarms compare six values. Otherwise they are never raised."
  }
  validation {
    condition     = var.alarms.restore_minutes >= 30 && var.alarms.restore_minutes <= 10080 && var.alarms.restore_minutes % 6 == 0
    error_message = "alarms.restore_minutes must be from 30 to 10080 (a week), a multiple of 6."
  }
  validation {
    condition     = !local.restore_ends || try(var.alarms.restore_minutes * 60 >= 6 * local.restore_seconds, true)
    error_message = "alarms.restore_minutes must be at least six times the interval of the restore, because the alarm compares six values."
  }
  validation {
    condition     = var.alarms.errors_in_a_row >= 1 && var.alarms.errors_in_a_row <= 12
    error_message = "alarms.errors_in_a_row must be from 1 to 12."
  }
}

variable "dashboard" {
  description = "Create a CloudWatch dashboard. $3 a month; the first three of an account are free."
  type        = bool
  default     = false
  nullable    = false
}
