# Which states raise an alarm.

mock_provider "azurerm" {
  override_during = plan

  mock_data "azurerm_client_config" {
    defaults = {
      subscription_id = "00000000-0000-0000-0000-000000000001"
      tenant_id       = "00000000-0000-0000-0000-000000000002"
    }
  }
}
mock_provider "azapi" {}

override_resource {
  override_during = plan
  target          = azurerm_monitor_action_group.this[0]
  values          = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders/providers/Microsoft.Insights/actionGroups/orders-on-call" }
}

variables {
  name                = "orders"
  resource_group_name = "rg-orders"
  location            = "westeurope"
  topics              = ["orders"]
  kafka               = { bootstrap_servers = "kafka01:9092" }
  alarms = {
    emails           = ["oncall@example.org"]
    action_group_ids = ["/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-shared/providers/Microsoft.Insights/actionGroups/pager"]
    no_backup_for    = "PT2H"
    lag_records      = 5000
  }
  management_lock = true
}

run "rules" {
  command = plan

  assert {
    condition     = keys(azurerm_monitor_scheduled_query_rules_alert_v2.this) == ["errors", "gap", "held", "lag", "no-backup", "recovery-point", "snapshot-age"]
    error_message = "alarms"
  }
  assert {
    condition     = alltrue([for rule in azurerm_monitor_scheduled_query_rules_alert_v2.this : strcontains(rule.criteria[0].query, "parse_json") && can(regex("'backup (report|summary)'", rule.criteria[0].query))])
    error_message = "Every rule reads the reports or the summaries."
  }
  assert {
    condition     = alltrue([for rule in azurerm_monitor_scheduled_query_rules_alert_v2.this : contains(rule.action[0].action_groups, azurerm_monitor_action_group.this[0].id) && length(rule.action[0].action_groups) == 2])
    error_message = "Every rule uses both action groups."
  }
  assert {
    condition     = [for receiver in azurerm_monitor_action_group.this[0].email_receiver : receiver.email_address] == ["oncall@example.org"]
    error_message = "address"
  }
  assert {
    condition     = length(azurerm_monitor_action_group.this[0].short_name) <= 12
    error_message = "Short names have at most 12 characters."
  }
}

run "no_backup" {
  command = plan

  assert {
    condition     = azurerm_monitor_scheduled_query_rules_alert_v2.this["no-backup"].window_duration == "PT2H"
    error_message = "window"
  }
  assert {
    condition = [for criteria in azurerm_monitor_scheduled_query_rules_alert_v2.this["no-backup"].criteria : [criteria.operator, tostring(criteria.threshold), criteria.time_aggregation_method, criteria.metric_measure_column]] == [
      ["LessThan", "1", "Total", "successes"]
    ]
    error_message = "Missing logs raise the alarm: the query returns a row with 0, and 0 is less than 1."
  }
  assert {
    condition     = endswith(azurerm_monitor_scheduled_query_rules_alert_v2.this["no-backup"].criteria[0].query, "== 'backup summary' and isnotempty(tostring(summary.shard))\n| summarize successes = array_length(make_set_if(tostring(summary.shard), tobool(summary.succeeded)))\n")
    error_message = "The query always returns one row, and counts shards with a successful run of all topics."
  }
  assert {
    condition     = strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["no-backup"].criteria[0].query, "cloud_RoleName =~ '${azapi_resource.function["backup"].name}'")
    error_message = "A restore that succeeds is no backup."
  }
}

run "each_shard_must_succeed" {
  command = plan
  variables {
    backup = { shards = 4 }
  }

  assert {
    condition     = azurerm_monitor_scheduled_query_rules_alert_v2.this["no-backup"].criteria[0].threshold == 4
    error_message = "Fewer than four shards with a success raise the alarm."
  }
}

run "lag" {
  command = plan

  assert {
    condition     = strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["lag"].criteria[0].query, "| where late > early and late >= 5000")
    error_message = "growing, and large"
  }
  assert {
    condition     = azurerm_monitor_scheduled_query_rules_alert_v2.this["lag"].criteria[0].dimension[0].name == "topic"
    error_message = "The alarm names the topic."
  }
  assert {
    condition     = [for name in ["held", "lag"] : azurerm_monitor_scheduled_query_rules_alert_v2.this[name].window_duration] == ["PT1H", "PT1H"] && strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["lag"].criteria[0].query, "timestamp < ago(30m)")
    error_message = "Runs of an hour are compared, whatever no_backup_for is."
  }
}

# One run in an hour is never more than one, and never in both halves.
run "one_run_in_an_hour" {
  command = plan
  variables {
    backup = { schedule = "0 30 * * * *" }
  }

  assert {
    condition     = [for name in ["held", "lag"] : azurerm_monitor_scheduled_query_rules_alert_v2.this[name].window_duration] == ["PT2H", "PT2H"] && strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["lag"].criteria[0].query, "timestamp < ago(60m)), late = minif(lag, timestamp >= ago(60m))")
    error_message = "Two runs are compared."
  }
}

run "two_runs_in_a_day" {
  command = plan
  variables {
    backup = { schedule = "0 */5 3,15 * * *" }
    alarms = { emails = ["oncall@example.org"], no_backup_for = "P1D" }
  }

  assert {
    condition     = azurerm_monitor_scheduled_query_rules_alert_v2.this["held"].window_duration == "P1D" && strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["lag"].criteria[0].query, "ago(720m)")
    error_message = "The runs of a day are compared."
  }
}

run "gap" {
  command = plan

  assert {
    condition     = !azurerm_monitor_scheduled_query_rules_alert_v2.this["gap"].auto_mitigation_enabled && azurerm_monitor_scheduled_query_rules_alert_v2.this["gap"].mute_actions_after_alert_duration == "PT1H"
    error_message = "Lost records do not come back by themselves: a person closes this alarm."
  }
}

run "recovery_point" {
  command = plan

  assert {
    condition     = strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["recovery-point"].criteria[0].query, "| summarize arg_max(timestamp, age) by shard") && strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["recovery-point"].criteria[0].query, "| where age > 3600")
    error_message = "The recovery point is that of the last run."
  }
  assert {
    condition     = azurerm_monitor_scheduled_query_rules_alert_v2.this["recovery-point"].window_duration == "PT2H" && azurerm_monitor_scheduled_query_rules_alert_v2.this["snapshot-age"].window_duration == "PT2H"
    error_message = "There is a run in the window."
  }
}

run "snapshot_age" {
  command = plan

  assert {
    condition     = endswith(azurerm_monitor_scheduled_query_rules_alert_v2.this["snapshot-age"].criteria[0].query, "| where runs > 0 and (isnull(age) or age > 3600)\n")
    error_message = "A missing snapshot counts as an old one."
  }
}

run "no_snapshots" {
  command = plan

  variables {
    backup = { snapshot_seconds = 0 }
  }

  assert {
    condition     = !contains(keys(azurerm_monitor_scheduled_query_rules_alert_v2.this), "snapshot-age")
    error_message = "Where no snapshots are taken, none is missing."
  }
}

run "held" {
  command = plan

  assert {
    condition     = strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["held"].criteria[0].query, "| where runs > 1 and least > 10000") && azurerm_monitor_scheduled_query_rules_alert_v2.this["held"].criteria[0].dimension[0].name == "topic"
    error_message = "held in every run, by topic"
  }
}

run "each_alarm_names_its_paragraph" {
  command = plan

  variables {
    restore = { backup_topics = ["*"], restore_topic = "{topic}", kafka = { bootstrap_servers = "other01:9092" } }
  }

  assert {
    condition     = alltrue([for name, rule in azurerm_monitor_scheduled_query_rules_alert_v2.this : rule.action[0].custom_properties.runbook == "docs/runbook-azure.md#${name}" && endswith(rule.description, "What to do: docs/runbook-azure.md, ${name}.")])
    error_message = "Whoever is woken reads what to do."
  }
}

run "restore" {
  command = plan

  variables {
    restore = { backup_topics = ["*"], restore_topic = "{topic}", kafka = { bootstrap_servers = "other01:9092" } }
  }

  assert {
    condition     = strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["restore-stands-still"].criteria[0].query, "| where runs == 0 or (finished == 0 and late > 0 and late >= early)") && strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["restore-stands-still"].criteria[0].query, "cloud_RoleName =~ '${azapi_resource.function["restore"].name}'")
    error_message = "No progress or missing data of a restore raises the alarm, and a finished restore does not."
  }
  assert {
    condition     = endswith(azurerm_monitor_scheduled_query_rules_alert_v2.this["restore-finished"].criteria[0].query, "| where tobool(summary.finished)\n") && azurerm_monitor_scheduled_query_rules_alert_v2.this["restore-finished"].severity == 4
    error_message = "The end of a restore is sent once, and is no failure."
  }
}

run "a_restore_without_an_end" {
  command = plan

  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored" }
  }

  assert {
    condition     = length([for name in keys(azurerm_monitor_scheduled_query_rules_alert_v2.this) : name if startswith(name, "restore-")]) == 0
    error_message = "A restore that follows its backup never reports what is left."
  }
}

run "workbook" {
  command = plan

  variables {
    restore = { backup_topics = ["*"], restore_topic = "{topic}", kafka = { bootstrap_servers = "other01:9092" } }
  }

  assert {
    condition     = length(local.charts) == 13 && alltrue([for chart in local.charts : strcontains(chart.query, "cloud_RoleName =~ 'orders-") && can(regex("(backup|restore) (report|summary)", chart.query))])
    error_message = "It has the data of the alarms, for each function."
  }
  assert {
    condition     = azapi_resource.workbook.body.kind == "shared" && azapi_resource.workbook.body.properties.category == "workbook"
    error_message = "Everyone with the right to the resource group sees it."
  }
}

run "failed_invocations" {
  command = plan

  assert {
    condition     = azurerm_monitor_metric_alert.failed_invocations.criteria[0].metric_name == "requests/failed" && length(azurerm_monitor_metric_alert.failed_invocations.action) == 2
    error_message = "An invocation without a report raises an alarm."
  }
}

run "telemetry" {
  command = plan

  assert {
    condition     = !azurerm_application_insights.this.local_authentication_enabled && !azurerm_log_analytics_workspace.this[0].local_authentication_enabled && azurerm_application_insights.this.sampling_percentage == 100
    error_message = "Only identities send logs, and no report is sampled away."
  }
}

run "nobody_to_tell" {
  command = plan

  variables {
    alarms = {}
  }
  expect_failures = [check.nobody_hears_the_alarms]

  assert {
    condition     = length(azurerm_monitor_action_group.this) == 0 && length(azurerm_monitor_scheduled_query_rules_alert_v2.this) == 7
    error_message = "Alarms exist even without an address."
  }
}

run "existing_workspace" {
  command = plan

  variables {
    log_analytics_workspace = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-shared/providers/Microsoft.OperationalInsights/workspaces/shared" }
  }

  assert {
    condition     = length(azurerm_log_analytics_workspace.this) == 0 && azurerm_application_insights.this.workspace_id == var.log_analytics_workspace.id
    error_message = "logs go to the given workspace"
  }
}
