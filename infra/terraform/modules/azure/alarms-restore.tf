# Alarms of a restore that ends by itself (several topics, or as_of): its summaries say what is left.
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
      description = "The restore has not come nearer to its end for half an hour, or has said nothing for an hour. The function's log says what stops it."
      severity    = 2
      window      = "PT1H"
      measure     = null
      operator    = "GreaterThan"
      threshold   = 0
      by_topic    = false
      resolves    = true
      # One row always, also when nothing was logged at all.
      query = <<-KQL
        ${local.summaries_of_restore}| extend left = tolong(summary.offsets_left)
        | where isnotnull(left)
        | summarize runs = count(), early = minif(left, timestamp < ago(30m)), late = minif(left, timestamp >= ago(30m)), finished = countif(tobool(summary.finished))
        | where runs == 0 or (finished == 0 and late > 0 and late >= early)
      KQL
    }
    # No fault: it tells when the applications can be started.
    restore-finished = {
      description = "The restore is complete: every partition is at its cut."
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
