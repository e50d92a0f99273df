# The example as a user copies it.

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
  target          = module.kafka_backup.azurerm_monitor_action_group.this[0]
  values          = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-kafka/providers/Microsoft.Insights/actionGroups/kafka-on-call" }
}

variables {
  kafka = {
    bootstrap_servers = "kafka01.example.org:9093"
    properties        = { "security.protocol" = "SASL_SSL", "sasl.mechanism" = "SCRAM-SHA-512", "sasl.username" = "kafka-backup" }
    secrets           = { "sasl.password" = "kafka-password" }
  }
  topics = ["orders", "payments"]
  emails = ["oncall@example.org"]

  management_lock = true
}

run "backup_only" {
  command = plan

  assert {
    condition     = output.resource_group_name == "rg-kafka" && keys(output.function_app_names) == ["backup"]
    error_message = "one resource group, one function"
  }
  assert {
    condition     = startswith(output.key_vault_name, "kafka-kv-")
    error_message = "a vault for the password"
  }
  assert {
    condition     = module.kafka_backup.action_group_id != null
    error_message = "the alarms have a recipient"
  }
}

run "with_a_restore" {
  command = plan

  variables {
    restore = { backup_topics = ["orders"], restore_topic = "orders-drill", id = "drill-1" }
  }

  assert {
    condition     = keys(output.function_app_names) == ["backup", "restore"]
    error_message = "both functions"
  }
}

run "a_cluster_into_another_one" {
  command = plan

  variables {
    restore = { backup_topics = ["*"], restore_topic = "{topic}", as_of = "latest", finish = ["all"], kafka = { bootstrap_servers = "kafka-dr01.example.org:9092" } }
  }

  assert {
    condition     = length(setsubtract(["BACKUP_TOPIC_NAME", "RESTORE_AS_OF", "RESTORE_FINISH", "RESTORE_TOPIC_NAME"], module.kafka_backup.configuration_keys["restore"])) == 0
    error_message = "Selection, moment and what is done at the end reach the function."
  }
}

run "a_cluster_onto_itself" {
  command = plan
  variables {
    restore = { backup_topics = ["*"], restore_topic = "{topic}" }
  }
  expect_failures = [var.restore]
}

run "another_name_and_place" {
  command = plan
  variables {
    name     = "shop"
    location = "northeurope"
  }

  assert {
    condition     = output.resource_group_name == "rg-shop" && azurerm_resource_group.this.location == "northeurope"
    error_message = "name and place are those given"
  }
}

run "topics_by_pattern" {
  command = plan
  variables {
    topics         = ["*"]
    exclude_topics = ["*-drill"]
    restore        = { backup_topics = ["orders"], restore_topic = "orders-drill", id = "drill-1" }
  }

  assert {
    condition     = contains(module.kafka_backup.configuration_keys["backup"], "EXCLUDE_TOPIC_NAMES")
    error_message = "what the drill restores is not backed up"
  }
}

run "empty_exclusion" {
  command = plan
  variables {
    exclude_topics = [""]
  }
  expect_failures = [var.exclude_topics]
}

run "restore_onto_itself" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "orders" }
  }
  expect_failures = [var.restore]
}

run "bad_input" {
  command = plan
  variables {
    name     = "Kafka"
    location = "West Europe"
    kafka    = { bootstrap_servers = "https://kafka01.example.org" }
    topics   = []
    emails   = ["oncall"]
  }
  expect_failures = [var.name, var.location, var.kafka, var.topics, var.emails]
}
