# Which states raise an alarm, and which do not.

provider "aws" {
  region = "eu-central-1"
}

variables {
  dashboard = true
  name      = "kb"
  topics    = ["orders"]
  kafka     = { bootstrap_servers = "broker.example.com:9092", auth = "PLAINTEXT" }
  backup    = { package_path = "tests/package.zip", metrics_max_topics = 50 }
  restore   = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders.restored" }
  alarms    = { emails = ["oncall@example.com"], lag_records = 500000 }
}

run "alarms" {
  assert {
    condition = jsonencode(sort(concat([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name], aws_cloudwatch_metric_alarm.lag_growing[*].alarm_name))) == jsonencode([
      "kb-backup-errors", "kb-backup-gap", "kb-backup-held-0", "kb-backup-lag", "kb-backup-lag-growing", "kb-backup-recovery-point-0", "kb-backup-snapshot-age",
      "kb-backup-stale-0", "kb-backup-throttles", "kb-failures",
      "kb-restore-errors", "kb-restore-throttles",
    ])
    error_message = "alarms: ${jsonencode([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name])}"
  }
  assert {
    condition = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.this), aws_cloudwatch_metric_alarm.lag_growing) :
      alarm.alarm_actions == toset([output.alarm_topic_arn]) && alarm.ok_actions == toset([output.alarm_topic_arn]) && alarm.actions_enabled
    ])
    error_message = "every alarm sends its begin and its end to the topic"
  }
  assert {
    condition = jsonencode({ for key, alarm in aws_cloudwatch_metric_alarm.this : key => [alarm.namespace, alarm.metric_name, jsonencode(alarm.dimensions), alarm.statistic, alarm.comparison_operator, alarm.threshold] }) == jsonencode({
      backup-stale-0          = ["KafkaBackup", "Succeeded", "{\"Function\":\"kb-backup\",\"Shard\":\"0/1\"}", "Sum", "LessThanThreshold", 1]
      backup-recovery-point-0 = ["KafkaBackup", "RecoveryPointSeconds", "{\"Function\":\"kb-backup\",\"Shard\":\"0/1\"}", "Maximum", "GreaterThanThreshold", 3600]
      backup-snapshot-age     = ["KafkaBackup", "SnapshotAgeSeconds", "{\"Function\":\"kb-backup\"}", "Minimum", "GreaterThanThreshold", 3600]
      backup-held-0           = ["KafkaBackup", "HeldByTransactions", "{\"Function\":\"kb-backup\",\"Shard\":\"0/1\"}", "Maximum", "GreaterThanThreshold", 10000]
      backup-gap              = ["KafkaBackup", "Gaps", "{\"Function\":\"kb-backup\"}", "Sum", "GreaterThanThreshold", 0]
      backup-lag              = ["KafkaBackup", "LagRecords", "{\"Function\":\"kb-backup\"}", "Maximum", "GreaterThanThreshold", 500000]
      backup-errors           = ["AWS/Lambda", "Errors", "{\"FunctionName\":\"kb-backup\"}", "Sum", "GreaterThanThreshold", 0]
      backup-throttles        = ["AWS/Lambda", "Throttles", "{\"FunctionName\":\"kb-backup\"}", "Sum", "GreaterThanThreshold", 0]
      restore-errors          = ["AWS/Lambda", "Errors", "{\"FunctionName\":\"kb-restore\"}", "Sum", "GreaterThanThreshold", 0]
      restore-throttles       = ["AWS/Lambda", "Throttles", "{\"FunctionName\":\"kb-restore\"}", "Sum", "GreaterThanThreshold", 0]
      failures                = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "{\"QueueName\":\"kb-failures\"}", "Maximum", "GreaterThanThreshold", 0]
    })
    error_message = "what the alarms look at"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["backup-stale-0"].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.this["backup-stale-0"].period * aws_cloudwatch_metric_alarm.this["backup-stale-0"].evaluation_periods == 30 * 60
    error_message = "silence for half an hour is an alarm"
  }
  assert {
    condition     = alltrue([for key, alarm in aws_cloudwatch_metric_alarm.this : alarm.treat_missing_data == (contains(["backup-stale-0", "backup-snapshot-age"], key) ? "breaching" : "notBreaching")])
    error_message = "elsewhere silence is no alarm"
  }
  assert {
    condition = jsonencode({ for query in aws_cloudwatch_metric_alarm.lag_growing[0].metric_query : query.id => query.return_data ? query.expression : "${query.metric[0].metric_name} ${query.metric[0].stat} ${query.metric[0].period}" }) == jsonencode({
      growth = "DIFF(lag)"
      lag    = "LagRecords Maximum 600"
    })
    error_message = "the lag that grows"
  }
  assert {
    condition     = jsonencode({ for key, alarm in aws_cloudwatch_metric_alarm.this : key => [alarm.period, alarm.evaluation_periods, alarm.datapoints_to_alarm] if can(regex("errors|throttles", key)) }) == jsonencode({ backup-errors = [300, 2, 2], backup-throttles = [300, 3, 3], restore-errors = [300, 2, 2], restore-throttles = [300, 3, 3] })
    error_message = "runs in a row"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.lag_growing[0].evaluation_periods == 6 && aws_cloudwatch_metric_alarm.lag_growing[0].datapoints_to_alarm == 5
    error_message = "six values have five differences"
  }
}

run "topic" {
  assert {
    condition     = aws_sns_topic.alarms[0].name == "kb-alarms" && aws_sns_topic.alarms[0].kms_master_key_id == output.kms_key_arn && aws_sns_topic_subscription.email["oncall@example.com"].protocol == "email"
    error_message = "the topic and its subscription"
  }
  assert {
    condition = jsonencode({ for statement in jsondecode(aws_sns_topic_policy.alarms[0].policy).Statement : statement.Sid => [statement.Effect, jsonencode(statement.Principal), jsonencode(statement.Condition)] }) == jsonencode({
      Alarms        = ["Allow", "{\"Service\":\"cloudwatch.amazonaws.com\"}", "{\"ArnLike\":{\"aws:SourceArn\":\"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:kb-*\"}}"]
      DenyPlainHttp = ["Deny", "\"*\"", "{\"Bool\":{\"aws:SecureTransport\":\"false\"}}"]
    })
    error_message = "who may publish: ${aws_sns_topic_policy.alarms[0].policy}"
  }
}

run "dashboard" {
  assert {
    condition = jsonencode(sort([for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : widget.properties.title])) == jsonencode([
      "Age of the newest snapshot, seconds", "Bytes backed up, by topic", "Duration of backup, milliseconds", "Duration of restore, milliseconds", "Failed events", "Gaps", "Lag by topic in its largest shard, records", "Partitions with lag",
      "Records backed up, by topic", "Records held back by open transactions, by shard", "Recovery point, by shard, seconds", "Runs of backup", "Runs of restore", "Segments written",
    ])
    error_message = "widgets of the dashboard"
  }
  assert {
    condition     = strcontains(aws_cloudwatch_dashboard.this[0].dashboard_body, "SEARCH('{KafkaBackup,Function,Topic} MetricName=\\\"LagRecords\\\" Function=\\\"kb-backup\\\"', 'Maximum', 300)")
    error_message = "the lag by topic"
  }
}

# A shard that stops must raise an alarm although the others continue.
run "each_shard_has_its_own_alarms" {
  variables {
    schedule = { shards = 3 }
    alarms   = { emails = ["oncall@example.com"], stale_minutes = 60, recovery_minutes = 15, snapshot_minutes = 20, held_records = 5 }
  }

  assert {
    condition = jsonencode({ for key, alarm in aws_cloudwatch_metric_alarm.this : key => [alarm.dimensions.Shard, alarm.threshold] if can(alarm.dimensions.Shard) }) == jsonencode({
      backup-held-0           = ["0/3", 5], backup-held-1 = ["1/3", 5], backup-held-2 = ["2/3", 5]
      backup-recovery-point-0 = ["0/3", 900], backup-recovery-point-1 = ["1/3", 900], backup-recovery-point-2 = ["2/3", 900]
      backup-stale-0          = ["0/3", 1], backup-stale-1 = ["1/3", 1], backup-stale-2 = ["2/3", 1]
    })
    error_message = "alarms of shards"
  }
  assert {
    condition     = alltrue([for shard in range(3) : aws_cloudwatch_metric_alarm.this["backup-stale-${shard}"].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.this["backup-stale-${shard}"].period == 600])
    error_message = "a shard without data has stopped"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["backup-snapshot-age"].threshold == 1200 && aws_cloudwatch_metric_alarm.this["backup-held-2"].period * aws_cloudwatch_metric_alarm.this["backup-held-2"].evaluation_periods == 3600
    error_message = "thresholds"
  }
}

run "no_snapshots" {
  variables {
    backup = { package_path = "tests/package.zip", snapshot_seconds = 0 }
  }

  assert {
    condition     = !contains(keys(aws_cloudwatch_metric_alarm.this), "backup-snapshot-age")
    error_message = "where no snapshots are taken, none is missing"
  }
}

run "somebody_elses_topic" {
  variables {
    alarms = { topic = { arn = "arn:aws:sns:eu-central-1:123456789012:oncall" } }
  }

  assert {
    condition     = length(aws_sns_topic.alarms) == 0 && aws_cloudwatch_metric_alarm.this["failures"].alarm_actions == toset(["arn:aws:sns:eu-central-1:123456789012:oncall"])
    error_message = "alarms go where they are sent"
  }
  assert {
    condition     = !contains(keys(aws_cloudwatch_metric_alarm.this), "backup-lag")
    error_message = "no threshold, no alarm on the lag itself"
  }
}

run "daily_backup" {
  variables {
    schedule = { expression = "rate(1 day)" }
    alarms   = { emails = ["oncall@example.com"], stale_minutes = 2880, lag_growing_minutes = 8640 }
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["backup-stale-0"].period == 28800 && one([for query in aws_cloudwatch_metric_alarm.lag_growing[0].metric_query : query.metric[0].period if query.id == "lag"]) == 86400
    error_message = "a slow schedule has slow alarms"
  }
}

# With periods shorter than the interval, or longer than CloudWatch evaluates, these alarms could never be raised.
run "hourly_backup_and_weekly_restore" {
  variables {
    schedule = { expression = "rate(1 hour)" }
    restore  = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders.restored", expression = "rate(30 days)" }
    alarms   = { emails = ["oncall@example.com"], stale_minutes = 120, lag_growing_minutes = 360, errors_in_a_row = 12 }
  }

  assert {
    condition     = jsonencode({ for key, alarm in aws_cloudwatch_metric_alarm.this : key => [alarm.period, alarm.evaluation_periods, alarm.datapoints_to_alarm] if can(regex("errors|throttles", key)) }) == jsonencode({ backup-errors = [3600, 12, 12], backup-throttles = [3600, 3, 3], restore-errors = [604800, 1, 1], restore-throttles = [604800, 1, 1] })
    error_message = "a period for each run: ${jsonencode({ for key, alarm in aws_cloudwatch_metric_alarm.this : key => [alarm.period, alarm.evaluation_periods] })}"
  }
}

run "runs_in_a_row_within_a_day_or_a_week" {
  variables {
    schedule = { expression = "rate(1 day)" }
    restore  = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders.restored", expression = "rate(59 minutes)" }
    alarms   = { emails = ["oncall@example.com"], stale_minutes = 2880, lag_growing_minutes = 8640, errors_in_a_row = 12 }
  }

  assert {
    condition     = jsonencode({ for key, alarm in aws_cloudwatch_metric_alarm.this : key => [alarm.period, alarm.evaluation_periods] if can(regex("errors", key)) }) == jsonencode({ backup-errors = [86400, 7], restore-errors = [3540, 12] })
    error_message = "what CloudWatch looks back: ${jsonencode({ for key, alarm in aws_cloudwatch_metric_alarm.this : key => [alarm.period, alarm.evaluation_periods] })}"
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.period * alarm.evaluation_periods <= (alarm.period < 3600 ? 86400 : 604800)])
    error_message = "CloudWatch refuses more"
  }
}

run "by_cron_each_bad_run_rings" {
  variables {
    schedule = { expression = "cron(0 3 * * ? *)" }
    alarms   = { emails = ["oncall@example.com"], stale_minutes = 2880, lag_growing_minutes = 8640 }
  }

  assert {
    condition     = jsonencode([for key in ["errors", "throttles"] : [aws_cloudwatch_metric_alarm.this["backup-${key}"].period, aws_cloudwatch_metric_alarm.this["backup-${key}"].evaluation_periods]]) == jsonencode([[300, 1], [300, 1]])
    error_message = "a daily run is never followed by another within minutes"
  }
}

run "no_alarms" {
  variables {
    alarms = { enabled = false }
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 0 && length(aws_cloudwatch_metric_alarm.lag_growing) == 0 && length(aws_sns_topic.alarms) == 0 && output.alarm_topic_arn == null
    error_message = "no alarms where none are wanted"
  }
}

run "a_restore_that_stands_still" {
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "{topic}.restored", id = "all", as_of = "latest", enabled = true }
    alarms  = { emails = ["oncall@example.com"], restore_minutes = 120 }
  }

  assert {
    condition = jsonencode({ for query in aws_cloudwatch_metric_alarm.restore_stands_still[0].metric_query : query.id => query.return_data ? query.expression : "${query.metric[0].metric_name} ${query.metric[0].stat} ${query.metric[0].period}" }) == jsonencode({
      left   = "OffsetsLeft Minimum 1200"
      stands = "IF(left > 0 AND DIFF(left) >= 0, 1, 0)"
    })
    error_message = "what is left does not become less"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.restore_stands_still[0].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.restore_stands_still[0].actions_enabled && aws_cloudwatch_metric_alarm.restore_stands_still[0].datapoints_to_alarm == 5
    error_message = "missing data of a restore counts as no progress"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["restore-finished"].metric_name == "Finished" && aws_cloudwatch_metric_alarm.this["restore-finished"].alarm_actions == toset([output.alarm_topic_arn]) && length(aws_cloudwatch_metric_alarm.this["restore-finished"].ok_actions) == 0
    error_message = "its end is sent once"
  }
  assert {
    condition     = strcontains(aws_cloudwatch_dashboard.this[0].dashboard_body, "OffsetsLeft")
    error_message = "what is left is on the dashboard"
  }
}

run "a_restore_that_is_invoked_by_hand" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "{topic}.restored", id = "all" }
  }

  assert {
    condition     = !aws_cloudwatch_metric_alarm.restore_stands_still[0].actions_enabled
    error_message = "no alarm between two runs by hand"
  }
}

run "a_restore_without_an_end" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders.restored", enabled = true }
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.restore_stands_still) == 0 && !contains(keys(aws_cloudwatch_metric_alarm.this), "restore-finished")
    error_message = "it follows its backup, and never reports what is left"
  }
}

run "alarms_that_no_one_hears_warn" {
  command = plan
  variables {
    alarms = {}
  }
  expect_failures = [check.alarms_are_heard]
}

run "watching_costs_little_unless_asked_for" {
  variables {
    dashboard = false
    backup    = { package_path = "tests/package.zip" }
    restore   = null
    alarms    = { emails = ["oncall@example.com"] }
  }

  assert {
    condition     = length(aws_cloudwatch_dashboard.this) == 0 && output.dashboard_name == null && output.environment["backup"].METRICS_MAX_TOPICS == "0"
    error_message = "no dashboard and no metrics by topic"
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) + length(aws_cloudwatch_metric_alarm.lag_growing) <= 10
    error_message = "no more alarms than an account has free"
  }
}

run "a_dashboard_without_topics" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip" }
  }

  assert {
    condition     = !strcontains(aws_cloudwatch_dashboard.this[0].dashboard_body, "by topic")
    error_message = "no widget for metrics that do not exist"
  }
}

run "each_alarm_links_to_its_paragraph" {
  command = plan
  variables {
    schedule = { shards = 2 }
    restore  = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "{topic}.restored", id = "all" }
    alarms   = { emails = ["oncall@example.com"], lag_records = 1, runbook_url = "https://wiki.example.com/runbook" }
  }

  assert {
    condition = jsonencode({ for key, alarm in merge(aws_cloudwatch_metric_alarm.this, { lag-growing = aws_cloudwatch_metric_alarm.lag_growing[0], still = aws_cloudwatch_metric_alarm.restore_stands_still[0] }) : key => regex("https:.*$", alarm.alarm_description) }) == jsonencode({
      backup-errors           = "https://wiki.example.com/runbook#backup-errors"
      backup-gap              = "https://wiki.example.com/runbook#backup-gap"
      backup-held-0           = "https://wiki.example.com/runbook#backup-held"
      backup-held-1           = "https://wiki.example.com/runbook#backup-held"
      backup-lag              = "https://wiki.example.com/runbook#backup-lag"
      backup-recovery-point-0 = "https://wiki.example.com/runbook#backup-recovery-point"
      backup-recovery-point-1 = "https://wiki.example.com/runbook#backup-recovery-point"
      backup-snapshot-age     = "https://wiki.example.com/runbook#backup-snapshot-age"
      backup-stale-0          = "https://wiki.example.com/runbook#backup-stale"
      backup-stale-1          = "https://wiki.example.com/runbook#backup-stale"
      backup-throttles        = "https://wiki.example.com/runbook#backup-throttles"
      failures                = "https://wiki.example.com/runbook#failures"
      lag-growing             = "https://wiki.example.com/runbook#backup-lag-growing"
      restore-errors          = "https://wiki.example.com/runbook#restore-errors"
      restore-finished        = "https://wiki.example.com/runbook#restore-finished"
      restore-throttles       = "https://wiki.example.com/runbook#restore-throttles"
      still                   = "https://wiki.example.com/runbook#restore-stands-still"
    })
    error_message = "links: ${jsonencode([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_description])}"
  }
  assert {
    condition     = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.this), aws_cloudwatch_metric_alarm.lag_growing, aws_cloudwatch_metric_alarm.restore_stands_still) : length(alarm.alarm_description) <= 1024])
    error_message = "CloudWatch allows 1024 characters"
  }
}
