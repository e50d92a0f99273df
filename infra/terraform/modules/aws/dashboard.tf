locals {
  search = { for metric in ["Records", "Bytes", "LagRecords"] : metric => "SEARCH('{${local.metrics},Function,Topic} MetricName=\"${metric}\" Function=\"${local.function_names.backup}\"', '%s', 300)" }

  by_shard = "SEARCH('{${local.metrics},Function,Shard} MetricName=\"%s\" Function=\"${local.function_names.backup}\"', 'Maximum', 300)"

  # Title, metrics, statistic. Two in a row.
  widgets = concat(
    [
      { title = "Recovery point, by shard, seconds", statistic = "Maximum", metrics = [[{ expression = format(local.by_shard, "RecoveryPointSeconds"), label = "" }]] },
      { title = "Age of the newest snapshot, seconds", statistic = "Minimum", metrics = [[local.metrics, "SnapshotAgeSeconds", "Function", local.function_names.backup]] },
      { title = "Records held back by open transactions, by shard", statistic = "Maximum", metrics = [[{ expression = format(local.by_shard, "HeldByTransactions"), label = "" }]] },
    ],
    var.backup.metrics_max_topics == 0 ? [] : [
      { title = "Records backed up, by topic", statistic = "Sum", metrics = [[{ expression = format(local.search.Records, "Sum"), label = "" }]] },
      { title = "Bytes backed up, by topic", statistic = "Sum", metrics = [[{ expression = format(local.search.Bytes, "Sum"), label = "" }]] },
      { title = "Lag by topic in its largest shard, records", statistic = "Maximum", metrics = [[{ expression = format(local.search.LagRecords, "Maximum"), label = "" }]] },
    ],
    [
      { title = "Partitions with lag", statistic = "Maximum", metrics = [[local.metrics, "PartitionsBehind", "Function", local.function_names.backup]] },
      { title = "Gaps", statistic = "Sum", metrics = [
        [local.metrics, "Gaps", "Function", local.function_names.backup],
        [local.metrics, "GapRecords", "Function", local.function_names.backup],
      ] },
      { title = "Segments written", statistic = "Sum", metrics = [[local.metrics, "Segments", "Function", local.function_names.backup]] },
    ],
    flatten([for role in keys(local.functions) : [
      { title = "Runs of ${role}", statistic = "Sum", metrics = [
        [local.metrics, "Succeeded", "Function", local.function_names[role]],
        ["AWS/Lambda", "Errors", "FunctionName", local.function_names[role]],
        ["AWS/Lambda", "Throttles", "FunctionName", local.function_names[role]],
        [local.metrics, "Errors", "Function", local.function_names[role]],
      ] },
      { title = "Duration of ${role}, milliseconds", statistic = "Maximum", metrics = [
        ["AWS/Lambda", "Duration", "FunctionName", local.function_names[role]],
        [local.metrics, "DurationMs", "Function", local.function_names[role]],
      ] },
    ]]),
    !local.restore_ends ? [] : [
      { title = "Partitions and offsets left of the restore", statistic = "Minimum", metrics = [
        [local.metrics, "OffsetsLeft", "Function", local.function_names.restore],
        [local.metrics, "PartitionsLeft", "Function", local.function_names.restore],
      ] },
    ],
    [
      { title = "Failed events", statistic = "Maximum", metrics = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.failures.name]] },
    ],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.dashboard ? 1 : 0

  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [for index, widget in local.widgets : {
      type   = "metric"
      x      = 12 * (index % 2)
      y      = 6 * floor(index / 2)
      width  = 12
      height = 6
      properties = {
        title   = widget.title
        region  = local.region
        view    = "timeSeries"
        stat    = widget.statistic
        period  = 300
        metrics = widget.metrics
      }
    }]
  })
}
