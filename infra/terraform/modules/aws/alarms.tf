# Alarms for the operator on call. Each description has the meaning, where to look, and the link to its section in docs/runbook.md.

locals {
  metrics = "KafkaBackup" # the namespace of the functions' own metrics; their dimension Function is the function's name

  # Evaluated in six periods: an alarm with one long period would only be raised at its end.
  stale_period = var.alarms.stale_minutes * 60 / 6
  lag_period   = var.alarms.lag_growing_minutes * 60 / 6

  # Consecutive runs are counted with one run per period. An hourly schedule has no data in eleven of twelve five-minute periods, and missing data
  # is no error. A cron expression has no rate, so every failed run raises the alarm. CloudWatch evaluates a week at most, or a day with periods
  # below an hour.
  week       = 604800
  rates      = { backup = local.schedule_seconds, restore = local.restore_seconds }
  run_period = { for role, seconds in local.rates : role => min(max(300, coalesce(seconds, 300)), local.week) }
  most_runs  = { for role, period in local.run_period : role => local.rates[role] == null ? 1 : floor((period < 3600 ? 86400 : local.week) / period) }

  # One per shard: totals over all shards hide a shard that has stopped.
  shard_alarms = merge([for shard in range(var.schedule.shards) : {
    "backup-stale-${shard}" = {
      description = "No run of shard ${shard} of ${var.schedule.shards} of the backup has succeeded for ${var.alarms.stale_minutes} minutes. Its partitions are not backed up, or one of them fails in every run. The queue ${var.name}-failures and the function's log have the reason. Records that Kafka's retention deletes in the meantime are lost."
      namespace   = local.metrics, metric = "Succeeded", dimensions = { Function = local.function_names.backup, Shard = "${shard}/${var.schedule.shards}" }
      statistic   = "Sum", comparison = "LessThanThreshold", threshold = 1
      period      = local.stale_period, periods = 6, missing = "breaching"
      actions     = var.schedule.enabled
    }
    "backup-recovery-point-${shard}" = {
      description = "A partition in shard ${shard} of ${var.schedule.shards} has records that have not been backed up for ${var.alarms.recovery_minutes} minutes. If the cluster is lost now, these records are lost. Look in the function's report for partitions with errors or lag. More shards, more memory or a shorter interval help."
      namespace   = local.metrics, metric = "RecoveryPointSeconds", dimensions = { Function = local.function_names.backup, Shard = "${shard}/${var.schedule.shards}" }
      statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = var.alarms.recovery_minutes * 60
      period      = local.run_period.backup, periods = min(2, local.most_runs.backup), missing = "notBreaching" # backup-stale rings for silence
      actions     = true
    }
    "backup-held-${shard}" = {
      description = "Open transactions have held back more than ${var.alarms.held_records} records of shard ${shard} of ${var.schedule.shards} for ${var.alarms.lag_growing_minutes} minutes. Neither consumers with read_committed nor the backup can read them. The function's log has the partitions. If this continues, run kafka-transactions.sh find-hanging, then abort."
      namespace   = local.metrics, metric = "HeldByTransactions", dimensions = { Function = local.function_names.backup, Shard = "${shard}/${var.schedule.shards}" }
      statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = var.alarms.held_records
      period      = local.lag_period, periods = 6, missing = "notBreaching"
      actions     = true
    }
  }]...)

  backup_alarms = {
    backup-gap = {
      description = "Records are missing from the backup: Kafka's retention or DeleteRecords deleted them before the backup read them. The segment after the gap has its offsets and its reason. Increase the retention, or run the backup more often or with more shards."
      namespace   = local.metrics, metric = "Gaps", dimensions = { Function = local.function_names.backup }
      statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
      period      = 300, periods = 1, missing = "notBreaching"
      actions     = true
    }
  }

  snapshot_alarms = var.backup.snapshot_seconds == 0 ? {} : {
    backup-snapshot-age = {
      description = "The newest snapshot of the cluster is older than ${var.alarms.snapshot_minutes} minutes. Topics, groups and configs that were created since then are in no inventory. The function's log has the reason."
      namespace   = local.metrics, metric = "SnapshotAgeSeconds", dimensions = { Function = local.function_names.backup }
      statistic   = "Minimum", comparison = "GreaterThanThreshold", threshold = var.alarms.snapshot_minutes * 60
      period      = local.stale_period, periods = 6, missing = "breaching" # a run without a known snapshot reports no value
      actions     = var.schedule.enabled
    }
  }

  lag_alarms = var.alarms.lag_records == null ? {} : {
    backup-lag = {
      description = "The lag of a shard is more than ${var.alarms.lag_records} records. More shards, more memory or a shorter interval help."
      namespace   = local.metrics, metric = "LagRecords", dimensions = { Function = local.function_names.backup }
      statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = var.alarms.lag_records
      period      = local.lag_period, periods = 2, missing = "notBreaching"
      actions     = true
    }
  }

  function_alarms = merge([for role in keys(local.functions) : {
    "${role}-errors" = {
      description = "Runs of ${local.function_names[role]} fail. One failed partition is enough; the others are still processed. The queue ${var.name}-failures has each event with its reason. The log has the errors and what to do."
      namespace   = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = local.function_names[role] }
      statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
      period      = local.run_period[role], periods = min(var.alarms.errors_in_a_row, local.most_runs[role]), missing = "notBreaching"
      actions     = true
    }
    "${role}-throttles" = {
      description = "Lambda throttles ${local.function_names[role]}: an earlier run has not ended, or other functions use all of the account's concurrency."
      namespace   = "AWS/Lambda", metric = "Throttles", dimensions = { FunctionName = local.function_names[role] }
      statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
      period      = local.run_period[role], periods = min(3, local.most_runs[role]), missing = "notBreaching"
      actions     = true
    }
  }]...)

  # Not a failure. The message is sent like an alarm, and to EventBridge like every state change of an alarm.
  restore_alarms = !local.restore_ends ? {} : {
    "restore-finished" = {
      description = "No failure: the restore has finished. The report of ${local.function_names.restore} has the restored topics and the next steps. Afterwards remove restore from the module's variables."
      namespace   = local.metrics, metric = "Finished", dimensions = { Function = local.function_names.restore }
      statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
      period      = 300, periods = 1, missing = "notBreaching"
      actions     = true
    }
  }

  queue_alarms = {
    failures = {
      description = "The queue ${var.name}-failures contains events that could not be delivered or whose invocation failed. Read them (see the walk-through), correct the cause, then purge the queue."
      namespace   = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = aws_sqs_queue.failures.name }
      statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 0
      period      = 300, periods = 1, missing = "notBreaching"
      actions     = true
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = var.alarms.enabled ? merge(local.shard_alarms, local.backup_alarms, local.snapshot_alarms, local.lag_alarms, local.function_alarms, local.restore_alarms, local.queue_alarms) : {}

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.description} ${var.alarms.runbook_url}#${replace(each.key, "/-[0-9]+$/", "")}"
  actions_enabled     = each.value.actions
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = local.alarm_topic
  ok_actions          = each.key == "restore-finished" ? [] : local.alarm_topic # the end of this state has no meaning
  tags                = local.tags
}

# After an outage the lag is high and falls. Only a lag that grows needs action.
resource "aws_cloudwatch_metric_alarm" "lag_growing" {
  count = var.alarms.enabled ? 1 : 0

  alarm_name          = "${var.name}-backup-lag-growing"
  alarm_description   = "The largest lag of a shard has grown for ${var.alarms.lag_growing_minutes} minutes: producers write faster than the backup reads. More shards, more memory or a shorter interval help. ${var.alarms.runbook_url}#backup-lag-growing"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 6
  datapoints_to_alarm = 5 # six values have five differences
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_topic
  ok_actions          = local.alarm_topic
  tags                = local.tags

  metric_query {
    id          = "growth"
    expression  = "DIFF(lag)"
    label       = "Growth of the lag"
    return_data = true
  }
  metric_query {
    id = "lag"
    metric {
      namespace   = local.metrics
      metric_name = "LagRecords"
      dimensions  = { Function = local.function_names.backup }
      stat        = "Maximum"
      period      = local.lag_period
    }
  }
}

# What is left of a restore may be much, as long as it decreases. A shard knows only its own progress, so the minimum counts.
resource "aws_cloudwatch_metric_alarm" "restore_stands_still" {
  count = var.alarms.enabled && local.restore_ends ? 1 : 0

  alarm_name          = "${var.name}-restore-stands-still"
  alarm_description   = "The restore has made no progress, or has reported nothing, for ${var.alarms.restore_minutes} minutes. Its log and the queue ${var.name}-failures have the failed partitions and the reason. ${var.alarms.runbook_url}#restore-stands-still"
  actions_enabled     = var.restore.enabled
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 6
  datapoints_to_alarm = 5 # six values have five differences
  treat_missing_data  = "breaching"
  alarm_actions       = local.alarm_topic
  ok_actions          = local.alarm_topic
  tags                = local.tags

  metric_query {
    id          = "stands"
    expression  = "IF(left > 0 AND DIFF(left) >= 0, 1, 0)"
    label       = "Not finished, and no progress"
    return_data = true
  }
  metric_query {
    id = "left"
    metric {
      namespace   = local.metrics
      metric_name = "OffsetsLeft"
      dimensions  = { Function = local.function_names.restore }
      stat        = "Minimum"
      period      = var.alarms.restore_minutes * 60 / 6
    }
  }
}
