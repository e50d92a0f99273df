variable "alarms" {
  description = <<-EOT
    What tells the person on call, and whom.
    - emails: addresses of an action group that this module makes, when there are any.
    - action_group_ids: existing action groups.
    - no_backup_for: alarm when no run of the backup ended without an error for so long: PT15M, PT30M, PT45M, PT1H to PT6H, P1D or P2D. At least two runs of the schedule.
    - recovery_minutes: alarm when records wait for their backup for so long: 1 to 10080, more than backup.retry_upload_seconds.
    - snapshot_minutes: alarm when the newest snapshot of the cluster is older than this: 1 to 10080, at least twice backup.snapshot_seconds.
    - held_records: alarm when open transactions hold back more records of a topic than this for an hour.
    - lag_records: alarm when a topic's lag is at least so many records and larger than it was half an hour before.
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
    error_message = "alarms.no_backup_for must be one of the windows of Azure Monitor: PT15M, PT30M, PT45M, PT1H to PT6H, P1D, P2D."
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
    condition     = var.alarms.held_records >= 0 && floor(var.alarms.held_records) == var.alarms.held_records
    error_message = "alarms.held_records must be a whole number, 0 or more."
  }
  validation {
    condition     = var.alarms.lag_records >= 1 && floor(var.alarms.lag_records) == var.alarms.lag_records
    error_message = "alarms.lag_records must be a whole number, 1 or more."
  }
}

variable "log_analytics_workspace" {
  description = "An existing Log Analytics workspace for logs and reports. Null makes one."
  type        = object({ id = string })
  default     = null

  validation {
    condition     = var.log_analytics_workspace == null ? true : can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.OperationalInsights/workspaces/[^/]+$", var.log_analytics_workspace.id))
    error_message = "log_analytics_workspace.id must be the resource ID of a Log Analytics workspace."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept in the workspace that this module makes: 30 to 730 days."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.log_retention_days >= 30 && var.log_retention_days <= 730 && floor(var.log_retention_days) == var.log_retention_days
    error_message = "log_retention_days must be a whole number from 30 to 730."
  }
}
