# Alarms query the JSON lines that each invocation logs: one for each topic, and a summary. Their fields are in the README. What to do is in
# docs/runbook-azure.md, which has a section with the name of each alarm.
locals {
  # A line can be inside of another one (the host's console category), or occur twice (console and the answer's Logs). The rules allow both.
  reports = <<-KQL
    traces
    | where message has 'backup report' or message has 'restore report'
    | extend report = parse_json(extract(@'\{.*\}', 0, message))
    | where tostring(report.message) in ('backup report', 'restore report')
    | extend topic = tostring(report.topic)
  KQL

  backup_app = "${var.name}-backup-${local.suffix}"
  of_backup  = "${local.reports}| where cloud_RoleName =~ '${local.backup_app}'\n"

  # Runs of all topics. A run of one topic or partition has no shard.
  summaries_of_backup = <<-KQL
    traces
    | where message has 'backup summary'
    | where cloud_RoleName =~ '${local.backup_app}'
    | extend summary = parse_json(extract(@'\{.*\}', 0, message))
    | where tostring(summary.message) == 'backup summary' and isnotempty(tostring(summary.shard))
  KQL

  # Two alarms compare runs of an hour, or of alarms.no_backup_for if fewer than two start in an hour: with one they would never be raised.
  often         = can(regex("^[^ ]+ [^ ]*[^ 0-9][^ ]* [*](/1)? ", var.backup.schedule))
  long_windows  = { PT2H = 120, PT3H = 180, PT4H = 240, PT5H = 300, PT6H = 360, P1D = 1440, P2D = 2880 }
  runs_window   = local.often ? "PT1H" : contains(keys(local.long_windows), var.alarms.no_backup_for) ? var.alarms.no_backup_for : "PT1H"
  runs_minutes  = lookup(local.long_windows, local.runs_window, 60)
  half_a_window = "${local.runs_minutes / 2}m"

  # Alarms of the backup. A deployment that only restores has none of them.
  snapshot_alarms = var.backup.snapshot_seconds == 0 ? {} : {
    snapshot-age = {
      description = "The newest snapshot of the cluster is older than ${var.alarms.snapshot_minutes} minutes, or there is none. Topics, groups and configs that were created since then are in no inventory. The function's log has the reason."
      severity    = 2
      window      = var.alarms.no_backup_for
      measure     = null
      operator    = "GreaterThan"
      threshold   = 0
      by_topic    = false
      resolves    = true
      # Without any run, no-backup is raised.
      query = "${local.summaries_of_backup}| summarize runs = count(), age = min(tolong(summary.snapshot_age_seconds))\n| where runs > 0 and (isnull(age) or age > ${var.alarms.snapshot_minutes * 60})\n"
    }
  }

  backup_alarms = {
    recovery-point = {
      description = "A partition has records that have not been backed up for ${var.alarms.recovery_minutes} minutes. If the cluster is lost now, these records are lost. Look in the reports for topics with errors or lag. More threads, more memory or a shorter schedule help."
      severity    = 1
      window      = var.alarms.no_backup_for
      measure     = null
      operator    = "GreaterThan"
      threshold   = 0
      by_topic    = false
      resolves    = true
      query       = <<-KQL
        ${local.summaries_of_backup}| extend age = tolong(summary.recovery_point_seconds), shard = tostring(summary.shard)
        | where isnotnull(age)
        | summarize arg_max(timestamp, age) by shard
        | where age > ${var.alarms.recovery_minutes * 60}
      KQL
    }
    held = {
      description = "Open transactions have held back more than ${var.alarms.held_records} records of a topic for ${local.runs_minutes} minutes. Neither consumers with read_committed nor the backup can read them. The function's log has the partitions. If this continues, run kafka-transactions.sh find-hanging, then abort."
      severity    = 2
      window      = local.runs_window
      measure     = null
      operator    = "GreaterThan"
      threshold   = 0
      by_topic    = true
      resolves    = true
      query       = <<-KQL
        ${local.of_backup}| extend held = tolong(report.held_by_transactions)
        | where isnotnull(held)
        | summarize runs = count(), least = min(held) by topic
        | where runs > 1 and least > ${var.alarms.held_records}
      KQL
    }
    no-backup = {
      description = "No run of the backup, or of one of its shards, has succeeded for ${var.alarms.no_backup_for}. It has stopped, or a partition fails in every run. The function's log has the reason. Records that Kafka's retention deletes in the meantime are lost."
      severity    = 1
      window      = var.alarms.no_backup_for
      measure     = "successes"
      operator    = "LessThan"
      threshold   = var.backup.shards
      by_topic    = false
      resolves    = true
      # Shards with a success. Always one row, even if nothing was logged. A run of a single topic by hand does not count.
      query = "${local.summaries_of_backup}| summarize successes = array_length(make_set_if(tostring(summary.shard), tobool(summary.succeeded)))\n"
    }
    lag = {
      description = "The lag of a topic is at least ${var.alarms.lag_records} records, and more than ${local.runs_minutes / 2} minutes ago. Use more threads, more memory or a shorter schedule before retention deletes records that are not backed up."
      severity    = 2
      window      = local.runs_window
      measure     = null
      operator    = "GreaterThan"
      threshold   = 0
      by_topic    = true
      resolves    = true
      query       = <<-KQL
        ${local.of_backup}| extend lag = tolong(report.lag_records)
        | where isnotnull(lag)
        | summarize early = minif(lag, timestamp < ago(${local.half_a_window})), late = minif(lag, timestamp >= ago(${local.half_a_window})) by topic
        | where late > early and late >= ${var.alarms.lag_records}
      KQL
    }
    gap = {
      description = "Kafka deleted records before they were backed up. The manifest of the segment and the report have their offsets. Increase the retention of the topic, then find out why the backup was late."
      severity    = 1
      window      = "PT30M"
      measure     = null
      operator    = "GreaterThan"
      threshold   = 0
      by_topic    = true
      resolves    = false
      query       = "${local.of_backup}| where tolong(report.gaps) > 0\n"
    }
  }

  run_alarms = {
    errors = {
      description = "A run of backup or restore reported an error. One failed partition is enough; the others are still processed. The next run retries. If the error continues, the function's log has the reason."
      severity    = 2
      window      = "PT30M"
      measure     = null
      operator    = "GreaterThan"
      threshold   = 0
      by_topic    = true
      resolves    = true
      query       = "${local.reports}| where tolong(report.errors) > 0 or tobool(report.succeeded) == false\n"
    }
  }

  alarms = merge({ for name, alarm in merge(local.snapshot_alarms, local.backup_alarms) : name => alarm if var.backup.enabled }, local.run_alarms, local.restore_alarms)

  action_group_ids = concat(sort(var.alarms.action_group_ids), azurerm_monitor_action_group.this[*].id)
}

resource "azurerm_monitor_action_group" "this" {
  count = length(var.alarms.emails) > 0 ? 1 : 0

  name                = "${var.name}-on-call"
  resource_group_name = var.resource_group_name
  tags                = var.tags
  short_name          = substr(local.compact, 0, 12)

  dynamic "email_receiver" {
    for_each = var.alarms.emails

    content {
      name                    = email_receiver.value
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "this" {
  for_each = local.alarms

  name                = "${var.name}-${each.key}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  description         = "${each.value.description} What to do: docs/runbook-azure.md, ${each.key}."
  severity            = each.value.severity
  scopes              = [azurerm_application_insights.this.id]

  evaluation_frequency              = "PT15M"
  window_duration                   = each.value.window
  auto_mitigation_enabled           = each.value.resolves
  mute_actions_after_alert_duration = each.value.resolves ? null : "PT1H"

  criteria {
    query                   = each.value.query
    time_aggregation_method = each.value.measure == null ? "Count" : "Total"
    metric_measure_column   = each.value.measure
    operator                = each.value.operator
    threshold               = each.value.threshold

    dynamic "dimension" {
      for_each = each.value.by_topic ? ["topic"] : []

      content {
        name     = dimension.value
        operator = "Include"
        values   = ["*"]
      }
    }

    failing_periods {
      minimum_failing_periods_to_trigger_alert = 1
      number_of_evaluation_periods             = 1
    }
  }

  action {
    action_groups     = local.action_group_ids
    custom_properties = { runbook = "docs/runbook-azure.md#${each.key}" }
  }
}

# Invocations without a report: killed by the platform, or the program did not start.
resource "azurerm_monitor_metric_alert" "failed_invocations" {
  name                = "${var.name}-failed-invocations"
  resource_group_name = var.resource_group_name
  tags                = var.tags
  description         = "An invocation of backup or restore failed: it timed out, was killed, or the program did not start. What to do: docs/runbook-azure.md, failed-invocations."
  severity            = 2
  scopes              = [azurerm_application_insights.this.id]
  frequency           = "PT5M"
  window_size         = "PT15M"

  criteria {
    metric_namespace = "microsoft.insights/components"
    metric_name      = "requests/failed"
    aggregation      = "Count"
    operator         = "GreaterThan"
    threshold        = 0
  }

  dynamic "action" {
    for_each = local.action_group_ids

    content {
      action_group_id = action.value
    }
  }
}
