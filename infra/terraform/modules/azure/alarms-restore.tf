# Alarms of a restore with an end (several topics, or as_of). Its summaries have what is left.
locals {
  summaries_of_restore = <<-KQL
    traces
    | where message has 'restore summary'
    | where cloud_RoleName =~ '${var.name}-restore-${local.suffix}'
    | extend summary = parse_json(extract(@'\{.*\}', 0, message))
    | where tostring(summary.message) == 'restore summary'
  KQL

  # One named topic without as_of follows its backup, and has no end.
  restore_ends   = var.restore == null ? false : var.restore.as_of != null || length(var.restore.backup_topics) > 1 || can(regex("^\\^|[*?]", join("", var.restore.backup_topics)))
  restore_alarms = { for name, alarm in local.alarms_of_a_restore : name => alarm if local.restore_ends }

  alarms_of_a_restore = {
    restore-stands-still = {
      description = "The restore has made no progress for half an hour, or has reported nothing for an hour. The function's log has the reason."
      severity    = 2
      window      = "PT1H"
      measure     = null
      operator    = "GreaterThan"
      threshold   = 0
      by_topic    = false
      resolves    = true
      # Always one row, even if nothing was logged.
      query = <<-KQL
        ${local.summaries_of_restore}| extend left = tolong(summary.offsets_left)
        | where isnotnull(left)
        | summarize runs = count(), early = minif(left, timestamp < ago(30m)), late = minif(left, timestamp >= ago(30m)), finished = countif(tobool(summary.finished))
        | where runs == 0 or (finished == 0 and late > 0 and late >= early)
      KQL
    }
    # Not a failure: the applications can be started.
    restore-finished = {
      description = "No failure: the restore has finished. Every partition is at its cut."
      severity    = 4
      window      = "PT30M"
      measure     = null
      operator    = "GreaterThan"
      threshold   = 0
      by_topic    = false
      resolves    = false
      query       = "${local.summaries_of_restore}| where tobool(summary.finished)\n"
    }
  }
}
