# Charts of the data of the alarms. A workbook has no cost except its queries.
locals {
  # Title, query, visualisation. First the backup, then each function.
  charts = concat(
    [for chart in [
      { title = "Recovery point, by shard, seconds", visualization = "linechart", query = "${local.summaries_of_backup}| summarize max(tolong(summary.recovery_point_seconds)) by tostring(summary.shard), bin(timestamp, 5m)" },
      { title = "Age of the newest snapshot, seconds", visualization = "linechart", query = "${local.summaries_of_backup}| summarize min(tolong(summary.snapshot_age_seconds)) by bin(timestamp, 5m)" },
      { title = "Records held back by open transactions, by topic", visualization = "linechart", query = "${local.of_backup}| summarize max(tolong(report.held_by_transactions)) by topic, bin(timestamp, 5m)" },
      { title = "Lag by topic, records", visualization = "linechart", query = "${local.of_backup}| summarize max(tolong(report.lag_records)) by topic, bin(timestamp, 5m)" },
      { title = "Partitions with lag", visualization = "linechart", query = "${local.summaries_of_backup}| summarize max(tolong(summary.partitions_behind)) by bin(timestamp, 5m)" },
      { title = "Gaps, and their records", visualization = "barchart", query = "${local.summaries_of_backup}| summarize gaps = sum(tolong(summary.gaps)), records = sum(tolong(summary.gap_records)) by bin(timestamp, 5m)" },
      { title = "Records backed up, by topic", visualization = "barchart", query = "${local.of_backup}| summarize sum(tolong(report.records)) by topic, bin(timestamp, 5m)" },
      { title = "Bytes backed up, by topic", visualization = "barchart", query = "${local.of_backup}| summarize sum(tolong(report.bytes)) by topic, bin(timestamp, 5m)" },
    ] : chart if var.backup.enabled],
    [for chart in [
      { title = "Offsets left of the restore", visualization = "linechart", query = "${local.summaries_of_restore}| summarize min(tolong(summary.offsets_left)) by bin(timestamp, 5m)" },
    ] : chart if var.restore != null],
    flatten([for name in keys(local.functions) : [
      { title = "Runs of ${name}", visualization = "barchart", query = "${local.summaries[name]}| summarize succeeded = countif(tobool(summary.succeeded)), failed = countif(tobool(summary.succeeded) == false) by bin(timestamp, 5m)" },
      { title = "Longest run of ${name}, milliseconds", visualization = "linechart", query = "${local.summaries[name]}| summarize max(tolong(summary.duration_ms)) by bin(timestamp, 5m)" },
    ]]),
  )

  summaries = { backup = local.summaries_of_backup, restore = local.summaries_of_restore }
}

resource "azapi_resource" "workbook" {
  type      = "Microsoft.Insights/workbooks@2022-04-01"
  name      = uuidv5("url", "${local.resource_group_id}/${var.name}/workbook")
  parent_id = local.resource_group_id
  location  = var.location
  tags      = var.tags

  body = {
    kind = "shared"
    properties = {
      displayName = "Kafka backup ${var.name}"
      category    = "workbook"
      sourceId    = azurerm_application_insights.this.id
      serializedData = jsonencode({
        version             = "Notebook/1.0"
        fallbackResourceIds = [azurerm_application_insights.this.id]
        items = [for chart in local.charts : {
          type        = 3
          name        = chart.title
          customWidth = "50"
          content = {
            version       = "KqlItem/1.0"
            title         = chart.title
            query         = chart.query
            size          = 0
            timeContext   = { durationMs = 86400000 }
            queryType     = 0
            resourceType  = "microsoft.insights/components"
            visualization = chart.visualization
          }
        }]
      })
    }
  }

  ignore_casing = true
  retry         = local.retry
}
