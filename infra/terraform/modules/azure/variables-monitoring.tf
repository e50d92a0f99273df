variable "alarms" {
  description = <<-EOT
    Alarms, their thresholds and their recipients.
    - emails: addresses of an action group that the module creates.
    - action_group_ids: existing action groups.
    - no_backup_for: time without a successful run of the backup: PT15M, PT30M, PT45M, PT1H to PT6H, P1D or P2D. At least two runs of the schedule.
    - recovery_minutes: maximum recovery point, which is the age of the oldest record that is not backed up: 1 to 10080, more than backup.retry_upload_seconds.
    - snapshot_minutes: maximum age of the newest snapshot of the cluster: 1 to 10080, at least twice backup.snapshot_seconds.
    - held_records: maximum number of records of a topic that open transactions hold back for an hour, or for no_backup_for if fewer than two runs start in an hour.
    - lag_records: lag of a topic, in records, from which on an increase within half of that time raises the alarm.
  EOT
  type = object({
    emails           = optional(set(string), [])
    action_group_ids = optional(set(string), [])
    no_backup_for    = optional(string, "PT1H")
    recovery_minutes = optional(number, 60)
    snapshot_minutes = optional(number, 60)
    held_records     = optional(number, 10000)
    lag_records      = optional(number, 100000)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for email in var.alarms.emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", email))])
    error_message = "alarms.emails must be e-mail addresses."
  }
  validation {
    condition     = alltrue([for id in var.alarms.action_group_ids : can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Insights/actionGroups/[^/]+$", id))])
    error_message = "alarms.action_group_ids must be resource IDs of action groups."
  }
  validation {
    condition     = contains(["PT15M", "PT30M", "PT45M", "PT1H", "PT2H", "PT3H", "PT4H", "PT5H", "PT6H", "P1D", "P2D"], var.alarms.no_backup_for)
    error_message = "alarms.no_backup_for must be a window of Azure Monitor: PT15M, PT30M, PT45M, PT1H to PT6H, P1D, P2D."
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
    condition     = var.alarms.held_records >= 0 && floor(var.alarms.held_records) == var.alarms.held_records
    error_message = "alarms.held_records must be a whole number, 0 or more."
  }
  validation {
    condition     = var.alarms.lag_records >= 1 && floor(var.alarms.lag_records) == var.alarms.lag_records
    error_message = "alarms.lag_records must be a whole number, 1 or more."
  }
}

variable "log_analytics_workspace" {
  description = "An existing Log Analytics workspace for logs and reports. null: the module creates one."
  type        = object({ id = string })
  default     = null

  validation {
    condition     = var.log_analytics_workspace == null ? true : can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.OperationalInsights/workspaces/[^/]+$", var.log_analytics_workspace.id))
    error_message = "log_analytics_workspace.id must be the resource ID of a Log Analytics workspace."
  }
}

variable "log_retention_days" {
  description = "Retention of logs in the created workspace: 30 to 730 days."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.log_retention_days >= 30 && var.log_retention_days <= 730 && floor(var.log_retention_days) == var.log_retention_days
    error_message = "log_retention_days must be a whole number from 30 to 730."
  }
}
