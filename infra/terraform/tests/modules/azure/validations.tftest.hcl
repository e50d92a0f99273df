# Bad input is refused before anything is planned.

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

variables {
  name                = "orders"
  resource_group_name = "rg-orders"
  location            = "westeurope"
  topics              = ["orders", "payments"]
  kafka               = { bootstrap_servers = "kafka01:9092" }
  alarms              = { emails = ["oncall@example.org"] }
  management_lock     = true
}

run "name_too_long" {
  command = plan
  variables {
    name = "abcdefghijklmno"
  }
  expect_failures = [var.name]
}

run "name_with_capitals" {
  command = plan
  variables {
    name = "Orders"
  }
  expect_failures = [var.name]
}

run "name_ends_with_hyphen" {
  command = plan
  variables {
    name = "orders-"
  }
  expect_failures = [var.name]
}

run "resource_group_ends_with_dot" {
  command = plan
  variables {
    resource_group_name = "rg."
  }
  expect_failures = [var.resource_group_name]
}

run "location_in_words" {
  command = plan
  variables {
    location = "West Europe"
  }
  expect_failures = [var.location]
}

run "subnet_is_no_id" {
  command = plan
  variables {
    network = { subnet_id = "functions" }
  }
  expect_failures = [var.network]
}

run "address_is_no_address" {
  command = plan
  variables {
    network = { subnet_id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/s", allowed_ip_ranges = ["here"] }
  }
  expect_failures = [var.network]
}

run "address_range_too_small" {
  command = plan
  variables {
    network = { subnet_id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/s", allowed_ip_ranges = ["203.0.113.7/32"] }
  }
  expect_failures = [var.network]
}

run "brokers_with_a_scheme" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "https://kafka01:9092" }
  }
  expect_failures = [var.kafka]
}

run "brokers_without_a_port" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "kafka01" }
  }
  expect_failures = [var.kafka]
}

run "property_in_capitals" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "kafka01:9092", properties = { "SECURITY_PROTOCOL" = "SSL" } }
  }
  expect_failures = [var.kafka]
}

run "password_in_properties" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "kafka01:9092", properties = { "sasl.password" = "hunter2" } }
  }
  expect_failures = [var.kafka]
}

run "private_key_in_properties" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "kafka01:9092", properties = { "ssl.key.pem" = "-----BEGIN" } }
  }
  expect_failures = [var.kafka]
}

run "secret_holds_the_value" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "kafka01:9092", secrets = { "sasl.password" = "p@ss word" } }
  }
  expect_failures = [var.kafka]
}

run "property_twice" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "kafka01:9092", properties = { "sasl.username" = "a" }, secrets = { "sasl.username" = "b" } }
  }
  expect_failures = [var.kafka]
}

run "property_that_the_program_decides" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "kafka01:9092", properties = { "group.id" = "mine" } }
  }
  expect_failures = [var.kafka]
}

run "property_with_another_value_than_the_programs" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "kafka01:9092", properties = { "acks" = "1" } }
  }
  expect_failures = [var.kafka]
}

run "property_with_the_programs_value" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "kafka01:9092", properties = { "acks" = "All", "client.rack" = "1" } }
  }
}

run "secret_that_the_program_decides" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "kafka01:9092", secrets = { "acks" = "name-of-a-secret" } }
  }
  expect_failures = [var.kafka]
}

run "property_that_the_restore_decides" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", kafka = { bootstrap_servers = "other01:9092", properties = { "message.max.bytes" = "1000" } } }
  }
  expect_failures = [var.restore]
}

run "secret_that_the_restore_decides" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", kafka = { bootstrap_servers = "other01:9092", secrets = { "transactional.id" = "name-of-a-secret" } } }
  }
  expect_failures = [var.restore]
}

run "no_topics" {
  command = plan
  variables {
    topics = []
  }
  expect_failures = [var.topics]
}

run "topic_dots" {
  command = plan
  variables {
    topics = [".."]
  }
  expect_failures = [var.topics]
}

run "empty_group" {
  command = plan
  variables {
    group_id = " "
  }
  expect_failures = [var.group_id]
}

run "vault_by_name" {
  command = plan
  variables {
    key_vault = { id = "shared" }
  }
  expect_failures = [var.key_vault]
}

run "schedule_of_five_fields" {
  command = plan
  variables {
    backup = { schedule = "*/5 * * * *" }
  }
  expect_failures = [var.backup]
}

run "time_budget_beyond_the_platform" {
  command = plan
  variables {
    backup = { time_budget_seconds = 541 }
  }
  expect_failures = [var.backup]
}

run "time_budget_too_short" {
  command = plan
  variables {
    backup = { time_budget_seconds = 10 }
  }
  expect_failures = [var.backup]
}

run "memory_not_on_offer" {
  command = plan
  variables {
    backup = { instance_memory_mb = 1024 }
  }
  expect_failures = [var.backup]
}

run "negative_segments" {
  command = plan
  variables {
    backup = { max_segments = -1 }
  }
  expect_failures = [var.backup]
}

run "empty_segments" {
  command = plan
  variables {
    backup = { records_per_segment = 0 }
  }
  expect_failures = [var.backup]
}

run "no_shards" {
  command = plan
  variables {
    backup = { shards = 0 }
  }
  expect_failures = [var.backup]
}

run "no_threads" {
  command = plan
  variables {
    backup = { threads = 0 }
  }
  expect_failures = [var.backup]
}

run "negative_seconds" {
  command = plan
  variables {
    backup = { retry_upload_seconds = -1 }
  }
  expect_failures = [var.backup]
}

run "unknown_isolation" {
  command = plan
  variables {
    backup = { isolation_level = "serializable" }
  }
  expect_failures = [var.backup]
}

run "unknown_codec" {
  command = plan
  variables {
    backup = { compression = "lz4" }
  }
  expect_failures = [var.backup]
}

run "level_out_of_range" {
  command = plan
  variables {
    backup = { compression = "gzip:13" }
  }
  expect_failures = [var.backup]
}

run "generation_with_a_leading_zero" {
  command = plan
  variables {
    restore = { backup_topics = ["orders@01"], restore_topic = "restored" }
  }
  expect_failures = [var.restore]
}

run "restore_pattern" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "re*" }
  }
  expect_failures = [var.restore]
}

run "restore_into_a_topic_that_is_backed_up" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "orders" }
  }
  expect_failures = [var.restore]
}

run "restore_schedule_of_five_fields" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", schedule = "* * * * *" }
  }
  expect_failures = [var.restore]
}

run "restore_time_budget_beyond_the_platform" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", time_budget_seconds = 600 }
  }
  expect_failures = [var.restore]
}

run "restore_memory_not_on_offer" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", instance_memory_mb = 8192 }
  }
  expect_failures = [var.restore]
}

run "restore_half_a_segment" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", max_segments = 0.5 }
  }
  expect_failures = [var.restore]
}

run "restore_no_threads" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", threads = 0 }
  }
  expect_failures = [var.restore]
}

run "restore_no_replicas" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", replication_factor = 0 }
  }
  expect_failures = [var.restore]
}

run "restore_id_with_a_slash" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", id = "a/b" }
  }
  expect_failures = [var.restore]
}

run "restore_id_of_a_claim" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", id = "@target" }
  }
  expect_failures = [var.restore]
}

run "unknown_delivery" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", delivery = "at-most-once" }
  }
  expect_failures = [var.restore]
}

run "unknown_strategy" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", partition_strategy = "round-robin" }
  }
  expect_failures = [var.restore]
}

run "unknown_check" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", anyway = ["everything"] }
  }
  expect_failures = [var.restore]
}

run "time_without_offset" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", until = "2026-11-27T14:00:00" }
  }
  expect_failures = [var.restore]
}

run "time_that_ends_before_it_begins" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", from = "2026-11-27T15:00:00+01:00", until = "2026-11-27T14:00:00Z" }
  }
  expect_failures = [var.restore]
}

run "restore_brokers_without_a_port" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", kafka = { bootstrap_servers = "other01" } }
  }
  expect_failures = [var.restore]
}

run "restore_property_in_capitals" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", kafka = { bootstrap_servers = "other01:9092", properties = { "ACKS" = "all" } } }
  }
  expect_failures = [var.restore]
}

run "restore_password_in_properties" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", kafka = { bootstrap_servers = "other01:9092", properties = { "sasl.password" = "hunter2" } } }
  }
  expect_failures = [var.restore]
}

run "reports_not_logged" {
  command = plan
  variables {
    log_level = "WARNING"
  }
  expect_failures = [var.log_level]
}

run "container_in_capitals" {
  command = plan
  variables {
    storage = { container_name = "Backups" }
  }
  expect_failures = [var.storage]
}

run "container_with_two_hyphens" {
  command = plan
  variables {
    storage = { container_name = "kafka--backup" }
  }
  expect_failures = [var.storage]
}

run "prefix_with_a_slash" {
  command = plan
  variables {
    storage = { prefix = "/kafka" }
  }
  expect_failures = [var.storage]
}

run "prefix_upwards" {
  command = plan
  variables {
    storage = { prefix = "kafka/../other" }
  }
  expect_failures = [var.storage]
}

run "prefix_with_a_wildcard" {
  command = plan
  variables {
    storage = { prefix = "kafka*" }
  }
  expect_failures = [var.storage]
}

run "unknown_replication" {
  command = plan
  variables {
    storage = { replication = "RAID5" }
  }
  expect_failures = [var.storage]
}

run "half_a_day" {
  command = plan
  variables {
    storage = { cool_after_days = 0.5 }
  }
  expect_failures = [var.storage]
}

run "cold_before_cool" {
  command = plan
  variables {
    storage = { cool_after_days = 30, cold_after_days = 30 }
  }
  expect_failures = [var.storage]
}

run "deleted_before_cold" {
  command = plan
  variables {
    storage = { cold_after_days = 90, delete_after_days = 60 }
  }
  expect_failures = [var.storage]
}

run "recover_too_short" {
  command = plan
  variables {
    storage = { recover_days = 1 }
  }
  expect_failures = [var.storage]
}

run "immutable_for_no_day" {
  command = plan
  variables {
    immutability = { days = 0 }
  }
  expect_failures = [var.immutability]
}

run "deleted_while_immutable" {
  command = plan
  variables {
    immutability = { days = 100 }
    storage      = { delete_after_days = 99 }
  }
  expect_failures = [var.immutability]
}

run "address_without_at" {
  command = plan
  variables {
    alarms = { emails = ["on call"] }
  }
  expect_failures = [var.alarms]
}

run "action_group_by_name" {
  command = plan
  variables {
    alarms = { action_group_ids = ["pager"] }
  }
  expect_failures = [var.alarms]
}

run "window_not_on_offer" {
  command = plan
  variables {
    alarms = { no_backup_for = "PT90M" }
  }
  expect_failures = [var.alarms]
}

run "lag_of_nothing" {
  command = plan
  variables {
    alarms = { lag_records = 0 }
  }
  expect_failures = [var.alarms]
}

run "workspace_by_name" {
  command = plan
  variables {
    log_analytics_workspace = { id = "shared" }
  }
  expect_failures = [var.log_analytics_workspace]
}

run "retention_too_short" {
  command = plan
  variables {
    log_retention_days = 7
  }
  expect_failures = [var.log_retention_days]
}

run "seconds_out_of_range" {
  command = plan
  variables {
    backup = { schedule = "99 * * * * *" }
  }
  expect_failures = [var.backup]
}

run "words_for_a_schedule" {
  command = plan
  variables {
    backup = { schedule = "99 x x x x x" }
  }
  expect_failures = [var.backup]
}

run "minutes_out_of_range" {
  command = plan
  variables {
    backup = { schedule = "0 60 * * * *" }
  }
  expect_failures = [var.backup]
}

run "hours_out_of_range" {
  command = plan
  variables {
    backup = { schedule = "0 0 24 * * *" }
  }
  expect_failures = [var.backup]
}

run "no_day" {
  command = plan
  variables {
    backup = { schedule = "0 0 0 0 * *" }
  }
  expect_failures = [var.backup]
}

run "no_month" {
  command = plan
  variables {
    backup = { schedule = "0 0 0 1 13 *" }
  }
  expect_failures = [var.backup]
}

run "sunday_as_seven" {
  command = plan
  variables {
    backup = { schedule = "0 0 0 * * 7" }
  }
  expect_failures = [var.backup]
}

run "step_of_nothing" {
  command = plan
  variables {
    backup = { schedule = "0 */0 * * * *" }
  }
  expect_failures = [var.backup]
}

run "schedule_of_seven_fields" {
  command = plan
  variables {
    backup = { schedule = "0 0 0 * * * *" }
  }
  expect_failures = [var.backup]
}

run "restore_seconds_out_of_range" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", schedule = "99 x x x x x" }
  }
  expect_failures = [var.restore]
}

run "topic_that_ends_with_a_dot" {
  command = plan
  variables {
    topics = ["orders."]
  }
  expect_failures = [var.topics]
}

run "internal_topic" {
  command = plan
  variables {
    topics = ["__consumer_offsets"]
  }
  expect_failures = [var.topics]
}

run "prefix_part_that_ends_with_a_dot" {
  command = plan
  variables {
    storage = { prefix = "kafka./production" }
  }
  expect_failures = [var.storage]
}

run "restore_of_a_dot" {
  command = plan
  variables {
    restore = { backup_topics = ["orders."], restore_topic = "restored" }
  }
  expect_failures = [var.restore]
}

run "restore_of_an_internal_topic" {
  command = plan
  variables {
    restore = { backup_topics = ["__transaction_state"], restore_topic = "restored" }
  }
  expect_failures = [var.restore]
}

run "restore_into_two_dots" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = ".." }
  }
  expect_failures = [var.restore]
}

run "restore_into_an_internal_topic" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "__consumer_offsets" }
  }
  expect_failures = [var.restore]
}

run "restore_id_that_ends_with_a_dot" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", id = "drill." }
  }
  expect_failures = [var.restore]
}

run "restore_without_id_that_would_end_with_a_dot" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored." }
  }
  expect_failures = [var.restore]
}

run "schedules_that_are_taken" {
  command = plan
  variables {
    backup  = { schedule = "0 0,30 9-17/2 1,15 Jan-Mar Mon-Friday" }
    restore = { backup_topics = ["orders"], restore_topic = "restored.", id = "drill-1", schedule = "*/30 5/15 * * * 0", anyway = ["expired", "lost-progress"] }
  }
}

run "another_cluster_may_have_the_same_topic" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "orders", kafka = { bootstrap_servers = "other01:9092" } }
  }
  assert {
    condition     = contains(keys(azapi_resource.function), "restore")
    error_message = "A restore into another cluster keeps the name."
  }
}

run "snapshots_less_often_than_once_a_day" {
  command = plan
  variables {
    backup = { snapshot_seconds = 86401 }
  }
  expect_failures = [var.backup]
}

run "half_a_second_between_snapshots" {
  command = plan
  variables {
    backup = { snapshot_seconds = 0.5 }
  }
  expect_failures = [var.backup]
}

run "no_groups_in_snapshots" {
  command = plan
  variables {
    backup = { consumer_groups = [] }
  }
  expect_failures = [var.backup]
}

run "a_group_without_a_name" {
  command = plan
  variables {
    backup = { consumer_groups = ["orders", ""] }
  }
  expect_failures = [var.backup]
}

run "a_group_with_space_at_its_end" {
  command = plan
  variables {
    backup = { exclude_consumer_groups = ["orders "] }
  }
  expect_failures = [var.backup]
}

run "a_group_that_is_no_regular_expression" {
  command = plan
  variables {
    backup = { consumer_groups = ["^orders-("] }
  }
  expect_failures = [var.backup]
}

run "a_group_twice" {
  command = plan
  variables {
    backup = { consumer_groups = ["orders", "orders"] }
  }
  expect_failures = [var.backup]
}

run "a_group_that_is_excluded" {
  command = plan
  variables {
    backup = { consumer_groups = ["orders"], exclude_consumer_groups = ["orders"] }
  }
  expect_failures = [var.backup]
}

run "no_recovery_point" {
  command = plan
  variables {
    alarms = { recovery_minutes = 0 }
  }
  expect_failures = [var.alarms]
}

run "recovery_point_of_more_than_a_week" {
  command = plan
  variables {
    alarms = { recovery_minutes = 10081 }
  }
  expect_failures = [var.alarms]
}

run "recovery_point_within_the_pause" {
  command = plan
  variables {
    alarms = { recovery_minutes = 5 }
  }
  expect_failures = [var.alarms]
}

run "snapshots_older_than_a_week" {
  command = plan
  variables {
    alarms = { snapshot_minutes = 10081 }
  }
  expect_failures = [var.alarms]
}

run "snapshots_older_than_they_can_be" {
  command = plan
  variables {
    alarms = { snapshot_minutes = 9 }
  }
  expect_failures = [var.alarms]
}

run "held_records_below_none" {
  command = plan
  variables {
    alarms = { held_records = -1 }
  }
  expect_failures = [var.alarms]
}

run "snapshots_deleted_while_immutable" {
  command = plan
  variables {
    immutability = { days = 100 }
    storage      = { snapshot_delete_after_days = 99 }
  }
  expect_failures = [var.immutability]
}

run "snapshots_deleted_after_immutability" {
  command = plan
  variables {
    immutability = { days = 100 }
    storage      = { snapshot_delete_after_days = 100 }
  }
}

run "snapshots_that_are_deleted_at_once" {
  command = plan
  variables {
    storage = { snapshot_delete_after_days = 6 }
  }
  expect_failures = [var.storage]
}

run "restore_of_nothing" {
  command = plan
  variables {
    restore = { backup_topics = [], restore_topic = "copy" }
  }
  expect_failures = [var.restore]
}

run "restore_of_several_into_one" {
  command = plan
  variables {
    restore = { backup_topics = ["orders", "users"], restore_topic = "copy", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_of_a_pattern_into_one" {
  command = plan
  variables {
    restore = { backup_topics = ["ord*"], restore_topic = "copy", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_of_a_topic_twice" {
  command = plan
  variables {
    restore = { backup_topics = ["orders", "orders@1"], restore_topic = "dr.{topic}", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_of_a_broken_expression" {
  command = plan
  variables {
    restore = { backup_topics = ["^a("], restore_topic = "dr.{topic}", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_into_other_braces" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "dr.{name}" }
  }
  expect_failures = [var.restore]
}

run "restore_over_what_is_backed_up" {
  command = plan
  variables {
    restore = { backup_topics = ["ord*"], restore_topic = "{topic}", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_without_legal_exclusions" {
  command = plan
  variables {
    restore = { backup_topics = ["ord*"], restore_topic = "dr.{topic}", exclude_topics = ["a b"], id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_of_partitions_of_several" {
  command = plan
  variables {
    restore = { backup_topics = ["ord*"], restore_topic = "dr.{topic}", partitions = "0", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_of_partitions_that_are_none" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "copy", partitions = "0..4", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_of_a_generation_as_of_a_time" {
  command = plan
  variables {
    restore = { backup_topics = ["orders@1"], restore_topic = "copy", as_of = "latest" }
  }
  expect_failures = [var.restore]
}

run "restore_as_of_a_day" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "copy", as_of = "2026-11-27", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_of_no_cluster" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "copy", backup_cluster = " " }
  }
  expect_failures = [var.restore]
}

run "groups_of_none_are_finished" {
  command = plan
  variables {
    restore = { backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", groups = [] }
  }
  expect_failures = [var.restore]
}

run "an_empty_group_is_finished" {
  command = plan
  variables {
    restore = { backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", groups = ["orders", ""] }
  }
  expect_failures = [var.restore]
}

run "a_group_that_ends_with_a_space" {
  command = plan
  variables {
    restore = { backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", exclude_groups = ["orders "] }
  }
  expect_failures = [var.restore]
}

run "a_broken_pattern_of_groups_to_finish" {
  command = plan
  variables {
    restore = { backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", groups = ["^orders-("] }
  }
  expect_failures = [var.restore]
}

run "a_group_is_finished_twice" {
  command = plan
  variables {
    restore = { backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", groups = ["orders", "orders"] }
  }
  expect_failures = [var.restore]
}

run "a_group_is_finished_and_is_not" {
  command = plan
  variables {
    restore = { backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", groups = ["orders"], exclude_groups = ["orders"] }
  }
  expect_failures = [var.restore]
}

run "an_unknown_part_of_finish" {
  command = plan
  variables {
    restore = { backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", finish = ["users"] }
  }
  expect_failures = [var.restore]
}

run "finish_without_an_end" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "copy", finish = ["configs"] }
  }
  expect_failures = [var.restore]
}

run "groups_of_another_partitioning" {
  command = plan
  variables {
    restore = { backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", partition_strategy = "key", finish = ["all"] }
  }
  expect_failures = [var.restore]
}

run "groups_of_a_time_range" {
  command = plan
  variables {
    restore = { backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", until = "2026-11-27T14:00:00Z", finish = ["groups"] }
  }
  expect_failures = [var.restore]
}

run "configs_of_another_partitioning" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "copy", id = "drill", as_of = "latest", partition_strategy = "key", until = "2026-11-27T14:00:00Z", finish = ["configs", "acls"] }
  }
}

run "an_existing_account_without_its_id" {
  command = plan
  variables {
    management_lock = false
    storage         = { create = false }
  }
  expect_failures = [var.storage]
}

run "an_id_of_an_account_that_is_made" {
  command = plan
  variables {
    storage = { account_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-old/providers/Microsoft.Storage/storageAccounts/olddata123456" }
  }
  expect_failures = [var.storage]
}

run "lifecycle_rules_of_someone_elses_account" {
  command = plan
  variables {
    management_lock = false
    storage         = { create = false, account_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-old/providers/Microsoft.Storage/storageAccounts/olddata123456", cool_after_days = 30 }
  }
  expect_failures = [var.storage]
}

run "immutability_of_someone_elses_account" {
  command = plan
  variables {
    management_lock = false
    storage         = { create = false, account_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-old/providers/Microsoft.Storage/storageAccounts/olddata123456" }
    immutability    = { days = 30 }
  }
  expect_failures = [var.immutability]
}

run "neither_backup_nor_restore" {
  command = plan
  variables {
    management_lock = false
    backup          = { enabled = false }
    storage         = { create = false, account_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-old/providers/Microsoft.Storage/storageAccounts/olddata123456" }
  }
  expect_failures = [var.storage]
}

run "a_restore_from_an_empty_account" {
  command = plan
  variables {
    backup  = { enabled = false }
    restore = { backup_topics = ["orders"], restore_topic = "restored" }
  }
  expect_failures = [var.storage]
}

run "a_package_with_a_signature" {
  command = plan
  variables {
    backup = { package_uri = "https://packages.blob.core.windows.net/v1/backup-batch-azure.zip?sv=2026&sig=abc" }
  }
  expect_failures = [var.backup]
}

run "a_package_from_a_file" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", package_uri = "target/packages/restore-batch-azure.zip" }
  }
  expect_failures = [var.restore]
}

run "a_lock_on_someone_elses_account" {
  command = plan
  variables {
    storage = { create = false, account_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-old/providers/Microsoft.Storage/storageAccounts/olddata123456" }
  }
  expect_failures = [var.management_lock]
}

run "a_key_without_its_vault" {
  command = plan
  variables {
    storage = { customer_key = { key_vault_id = "keys", key_name = "kafka-backup" } }
  }
  expect_failures = [var.storage]
}

run "a_key_for_someone_elses_account" {
  command = plan
  variables {
    management_lock = false
    storage         = { create = false, account_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-old/providers/Microsoft.Storage/storageAccounts/olddata123456", customer_key = { key_vault_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-keys/providers/Microsoft.KeyVault/vaults/keys", key_name = "k" } }
  }
  expect_failures = [var.storage]
}

run "closed_without_private_endpoints" {
  command = plan
  variables {
    network = { subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/functions", public_access = false }
  }
  expect_failures = [var.network]
}

run "private_endpoints_in_the_delegated_subnet" {
  command = plan
  variables {
    network = {
      subnet_id         = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/functions"
      private_endpoints = { subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/functions" }
    }
  }
  expect_failures = [var.network]
}

run "a_zone_by_its_name" {
  command = plan
  variables {
    network = {
      subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/functions"
      private_endpoints = {
        subnet_id          = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/endpoints"
        vault_dns_zone_ids = ["privatelink.vaultcore.azure.net"]
      }
    }
  }
  expect_failures = [var.network]
}

run "restore_with_more_threads_than_twelve_brokers_allow" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", threads = 29, kafka = { bootstrap_servers = join(",", [for number in range(12) : "other${number}:9092"]) } }
  }
  expect_failures = [var.restore]
}

run "a_negative_rate" {
  command = plan
  variables {
    backup = { bytes_per_second = -1 }
  }
  expect_failures = [var.backup]
}

run "restore_with_half_a_byte" {
  command = plan
  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored", bytes_per_second = 0.5 }
  }
  expect_failures = [var.restore]
}
