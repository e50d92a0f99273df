variable "alarms" {
  description = <<-EOT
    Whom to tell, and of what.
    - enabled: false makes no alarms.
    - topic: SNS topic that gets the alarms. Default: one is made.
    - emails: addresses subscribed to the topic that is made. Each has to confirm once.
    - runbook_url: where docs/runbook.md is to be read, for example your own copy of it: each alarm's description ends with its paragraph there.
    - stale_minutes: no run of a shard of the backup ended without an error for so long: 6 to 10080, a multiple of 6, at least twice the time between two backups.
    - recovery_minutes: in one shard, records waited for their backup for so long: 1 to 10080, more than backup.retry_upload_seconds.
    - snapshot_minutes: the newest snapshot of the cluster is older than this: 1 to 10080, at least twice backup.snapshot_seconds.
    - held_records: open transactions held back more records of a shard than this, for lag_growing_minutes.
    - lag_records: records that wait in one shard. Default: no alarm on it.
    - lag_growing_minutes: the largest lag of a shard grew for so long: 30 to 10080, a multiple of 6, at least six times the time between two backups.
    - restore_minutes: a restore that has an end and is enabled made no progress, or reported nothing, for this time: 30 to 10080, a multiple of 6, at least six times the time between two of its runs.
    - errors_in_a_row: failed runs in a row, 1 to 12, and no more than fit into a week; with a cron expression each failed run rings.
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
    error_message = "alarms.emails must hold e-mail addresses."
  }
  validation {
    condition     = length(var.alarms.emails) == 0 || var.alarms.topic == null
    error_message = "alarms.emails are subscribed only to a topic that is made here: leave out alarms.topic."
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
    condition     = try(var.alarms.stale_minutes * 60 >= 2 * local.schedule_seconds, true)
    error_message = "alarms.stale_minutes must be at least twice the time between two backups, or the alarm rings although all is well."
  }
  validation {
    condition     = var.alarms.recovery_minutes >= 1 && var.alarms.recovery_minutes <= 10080
    error_message = "alarms.recovery_minutes must be from 1 to 10080 (a week)."
  }
  validation {
    condition     = var.alarms.recovery_minutes * 60 > var.backup.retry_upload_seconds
    error_message = "alarms.recovery_minutes must be more than backup.retry_upload_seconds: a part-filled segment waits so long although all is well."
  }
  validation {
    condition     = var.alarms.snapshot_minutes >= 1 && var.alarms.snapshot_minutes <= 10080
    error_message = "alarms.snapshot_minutes must be from 1 to 10080 (a week)."
  }
  validation {
    condition     = var.alarms.snapshot_minutes * 60 >= 2 * var.backup.snapshot_seconds
    error_message = "alarms.snapshot_minutes must be at least twice backup.snapshot_seconds, or the alarm rings although all is well."
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
    condition     = try(var.alarms.lag_growing_minutes * 60 >= 6 * local.schedule_seconds, true)
    error_message = "alarms.lag_growing_minutes must be at least six times the time between two backups: the lag is looked at six times in it."
  }
  validation {
    condition     = var.alarms.restore_minutes >= 30 && var.alarms.restore_minutes <= 10080 && var.alarms.restore_minutes % 6 == 0
    error_message = "alarms.restore_minutes must be from 30 to 10080 (a week), a multiple of 6."
  }
  validation {
    condition     = !local.restore_ends || try(var.alarms.restore_minutes * 60 >= 6 * local.restore_seconds, true)
    error_message = "alarms.restore_minutes must be at least six times the time between two runs of the restore: what is left is looked at six times in it."
  }
  validation {
    condition     = var.alarms.errors_in_a_row >= 1 && var.alarms.errors_in_a_row <= 12
    error_message = "alarms.errors_in_a_row must be from 1 to 12."
  }
}

variable "dashboard" {
  description = "Whether there is a dashboard: $3 a month, of which an account's first three are free."
  type        = bool
  default     = false
  nullable    = false
}
