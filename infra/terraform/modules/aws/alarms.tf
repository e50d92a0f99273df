# What somebody on call has to know. Each description says what it means and where to look, and ends with its paragraph in docs/runbook.md.

locals {
  metrics = "KafkaBackup" # the namespace of the functions' own metrics; their dimension Function is the function's name

  # Looked at in six periods: an alarm over one long period would only ring at its end.
  stale_period = var.alarms.stale_minutes * 60 / 6
  lag_period   = var.alarms.lag_growing_minutes * 60 / 6

  # Runs in a row are counted with one run to a period: of an hourly schedule eleven in twelve periods of five minutes are silent, and silence is
  # no error. A cron expression has no rate, so there each bad run rings. CloudWatch looks back a week, and with periods below an hour a day.
  week       = 604800
  rates      = { backup = local.schedule_seconds, restore = local.restore_seconds }
  run_period = { for role, seconds in local.rates : role => min(max(300, coalesce(seconds, 300)), local.week) }
  most_runs  = { for role, period in local.run_period : role => local.rates[role] == null ? 1 : floor((period < 3600 ? 86400 : local.week) / period) }

  # Each shard has its own: where one has stopped, the others go on, and their numbers hide it.
  shard_alarms = merge([for shard in range(var.schedule.shards) : {
    "backup-stale-${shard}" = {
      description = "No run of shard ${shard} of ${var.schedule.shards} of the backup has ended without an error for ${var.alarms.stale_minutes} minutes: its partitions are not backed up, or one of them fails in every run. The queue ${var.name}-failures and the function's log say which, and why. What Kafka's retention removes meanwhile is lost."
      namespace   = local.metrics, metric = "Succeeded", dimensions = { Function = local.function_names.backup, Shard = "${shard}/${var.schedule.shards}" }
      statistic   = "Sum", comparison = "LessThanThreshold", threshold = 1
      period      = local.stale_period, periods = 6, missing = "breaching"
      actions     = var.schedule.enabled
    }
    "backup-recovery-point-${shard}" = {
      description = "A partition in shard ${shard} of ${var.schedule.shards} of the backup holds records that were not backed up for ${var.alarms.recovery_minutes} minutes. If the cluster were lost now, they would be. Look at the report in the function's log for partitions with errors or lag: more shards, more memory or a shorter interval."
      namespace   = local.metrics, metric = "RecoveryPointSeconds", dimensions = { Function = local.function_names.backup, Shard = "${shard}/${var.schedule.shards}" }
      statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = var.alarms.recovery_minutes * 60
      period      = local.run_period.backup, periods = min(2, local.most_runs.backup), missing = "notBreaching" # backup-stale rings for silence
      actions     = true
    }
    "backup-held-${shard}" = {
      description = "Open transactions have held back more than ${var.alarms.held_records} records of shard ${shard} of ${var.schedule.shards} for ${var.alarms.lag_growing_minutes} minutes: no reader of committed records gets them, and no backup. The function's log names the partitions. If it stays: kafka-transactions.sh find-hanging, then abort."
      namespace   = local.metrics, metric = "HeldByTransactions", dimensions = { Function = local.function_names.backup, Shard = "${shard}/${var.schedule.shards}" }
      statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = var.alarms.held_records
      period      = local.lag_period, periods = 6, missing = "notBreaching"
      actions     = true
    }
  }]...)

  backup_alarms = {
    backup-gap = {
      description = "Records are missing from the backup: Kafka's retention or DeleteRecords removed them before they were read. The segment behind the gap names its offsets and its reason. Raise the retention, or run the backup more often or on more shards."
      namespace   = local.metrics, metric = "Gaps", dimensions = { Function = local.function_names.backup }
      statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
      period      = 300, periods = 1, missing = "notBreaching"
      actions     = true
    }
  }

  snapshot_alarms = var.backup.snapshot_seconds == 0 ? {} : {
    backup-snapshot-age = {
      description = "The newest snapshot of the cluster is older than ${var.alarms.snapshot_minutes} minutes: what was there since then (topics, groups, configs) is in no inventory. The function's log says why none was stored."
      namespace   = local.metrics, metric = "SnapshotAgeSeconds", dimensions = { Function = local.function_names.backup }
      statistic   = "Minimum", comparison = "GreaterThanThreshold", threshold = var.alarms.snapshot_minutes * 60
      period      = local.stale_period, periods = 6, missing = "breaching" # a run that knows of no snapshot says nothing
      actions     = var.schedule.enabled
    }
  }

  lag_alarms = var.alarms.lag_records == null ? {} : {
    backup-lag = {
      description = "More than ${var.alarms.lag_records} records wait for their backup in one shard. Look at the dashboard: more shards, more memory or a shorter interval."
      namespace   = local.metrics, metric = "LagRecords", dimensions = { Function = local.function_names.backup }
      statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = var.alarms.lag_records
      period      = local.lag_period, periods = 2, missing = "notBreaching"
      actions     = true
    }
  }

  function_alarms = merge([for role in keys(local.functions) : {
    "${role}-errors" = {
      description = "Runs of ${local.function_names[role]} fail. One partition that fails is enough, and the others are still done. The queue ${var.name}-failures holds each event with its reason, the log the error and what to do."
      namespace   = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = local.function_names[role] }
      statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
      period      = local.run_period[role], periods = min(var.alarms.errors_in_a_row, local.most_runs[role]), missing = "notBreaching"
      actions     = true
    }
    "${role}-throttles" = {
      description = "Runs of ${local.function_names[role]} are refused: an earlier one still runs, or the account's concurrency is used up by others."
      namespace   = "AWS/Lambda", metric = "Throttles", dimensions = { FunctionName = local.function_names[role] }
      statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
      period      = local.run_period[role], periods = min(3, local.most_runs[role]), missing = "notBreaching"
      actions     = true
    }
  }]...)

  # Good news: it goes where the alarms go, and to EventBridge as every change of an alarm does.
  restore_alarms = !local.restore_ends ? {} : {
    "restore-finished" = {
      description = "No failure: the restore has finished. One run of ${local.function_names.restore} found that nothing is left. Its report says what was restored, and what is to do next. Then remove restore from the module's variables."
      namespace   = local.metrics, metric = "Finished", dimensions = { Function = local.function_names.restore }
      statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
      period      = 300, periods = 1, missing = "notBreaching"
      actions     = true
    }
  }

  queue_alarms = {
    failures = {
      description = "The queue ${var.name}-failures holds events that could not be delivered or whose invocation failed. Read them (the walk-through shows how), put right what they name, then purge the queue."
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
  ok_actions          = each.key == "restore-finished" ? [] : local.alarm_topic # its end says nothing
  tags                = local.tags
}

# The lag itself may be high after an outage and fall: what matters is that it does not fall.
resource "aws_cloudwatch_metric_alarm" "lag_growing" {
  count = var.alarms.enabled ? 1 : 0

  alarm_name          = "${var.name}-backup-lag-growing"
  alarm_description   = "The largest lag of a shard has been growing for ${var.alarms.lag_growing_minutes} minutes: more is written than is backed up. Look at the dashboard: more shards, more memory or a shorter interval. ${var.alarms.runbook_url}#backup-lag-growing"
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

# What is left of a restore may be much: what matters is that it becomes less. A shard knows only its own progress, so the least of them counts.
resource "aws_cloudwatch_metric_alarm" "restore_stands_still" {
  count = var.alarms.enabled && local.restore_ends ? 1 : 0

  alarm_name          = "${var.name}-restore-stands-still"
  alarm_description   = "For ${var.alarms.restore_minutes} minutes the restore made no progress, or reported nothing. Its log and the queue ${var.name}-failures say which partitions fail, and why. ${var.alarms.runbook_url}#restore-stands-still"
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
    label       = "Something is left, and it has not become less"
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
