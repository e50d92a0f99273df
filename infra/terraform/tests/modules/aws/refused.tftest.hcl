# Refused input, and the variable whose validation fails. Needs no cloud and no credentials.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  alarms = { emails = ["oncall@example.com"] }
  topics = ["orders"]
  kafka  = { bootstrap_servers = "broker.example.com:9092", auth = "TLS" }
  backup = { package_path = "tests/package.zip" }
}

run "good_input_is_taken" {
  command = plan
}

run "name_with_capitals" {
  command = plan
  variables {
    name = "Kafka"
  }
  expect_failures = [var.name]
}

run "name_too_long" {
  command = plan
  variables {
    name = "a2345678901234567890123456789012x"
  }
  expect_failures = [var.name]
}

run "no_topic" {
  command = plan
  variables {
    topics = []
  }
  expect_failures = [var.topics]
}

run "topic_with_a_slash" {
  command = plan
  variables {
    topics = ["orders/eu"]
  }
  expect_failures = [var.topics]
}

run "topic_twice" {
  command = plan
  variables {
    topics = ["orders", "orders"]
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

run "group_with_a_star" {
  command = plan
  variables {
    group_id = "backup*"
  }
  expect_failures = [var.group_id]
}

run "bootstrap_without_port" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "broker.example.com", auth = "TLS" }
  }
  expect_failures = [var.kafka]
}

run "unknown_auth" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "KERBEROS" }
  }
  expect_failures = [var.kafka]
}

run "iam_without_cluster" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "MSK_IAM" }
  }
  expect_failures = [var.kafka]
}

run "cluster_without_iam" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "TLS", msk_cluster_arn = "arn:aws:kafka:eu-central-1:123456789012:cluster/events/1d3a-7" }
  }
  expect_failures = [var.kafka]
}

run "scram_without_secret" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "SCRAM-SHA-512" }
  }
  expect_failures = [var.kafka]
}

run "client_certificate_without_secret" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "MTLS" }
  }
  expect_failures = [var.kafka]
}

run "secret_without_scram" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "TLS", secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a-b" }
  }
  expect_failures = [var.kafka]
}

run "secret_that_is_a_password" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "PLAIN", secret_arn = "hunter2" }
  }
  expect_failures = [var.kafka]
}

run "certificate_that_is_a_path" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "TLS", ca_pem = "/etc/ca.pem" }
  }
  expect_failures = [var.kafka]
}

run "property_as_a_variable" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "TLS", properties = { FETCH_MAX_BYTES = "1" } }
  }
  expect_failures = [var.kafka]
}

run "password_among_the_properties" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "TLS", properties = { "sasl.password" = "hunter2" } }
  }
  expect_failures = [var.kafka]
}

run "private_key_among_the_properties" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "TLS", properties = { "ssl.key.pem" = "x" } }
  }
  expect_failures = [var.kafka]
}

run "protocol_among_the_properties" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "TLS", properties = { "security.protocol" = "PLAINTEXT" } }
  }
  expect_failures = [var.kafka]
}

run "property_that_the_program_decides" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "TLS", properties = { "message.max.bytes" = "8388608" } }
  }
  expect_failures = [var.kafka]
}

run "property_with_another_value_than_the_programs" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "TLS", properties = { "enable.auto.commit" = "true" } }
  }
  expect_failures = [var.kafka]
}

run "property_with_the_programs_value" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "TLS", properties = { "enable.auto.commit" = "False", "client.rack" = "use1-az1" } }
  }
}

run "property_that_the_restore_decides" {
  command = plan
  variables {
    restore_kafka = { bootstrap_servers = "b:1", auth = "TLS", properties = { "transactional.id" = "mine" } }
  }
  expect_failures = [var.restore_kafka]
}

run "pattern_in_the_middle" {
  command = plan
  variables {
    msk_topic_patterns = ["^orders"]
  }
  expect_failures = [var.msk_topic_patterns]
}

run "package_that_is_not_there" {
  command = plan
  variables {
    backup = { package_path = "tests/nothing.zip" }
  }
  expect_failures = [aws_lambda_function.this]
}

run "too_little_memory" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", memory_mb = 128 }
  }
  expect_failures = [var.backup]
}

run "too_long_a_run" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", timeout_seconds = 901 }
  }
  expect_failures = [var.backup]
}

run "run_longer_than_the_interval" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", timeout_seconds = 241 }
  }
  expect_failures = [var.backup]
}

run "no_records" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", records_per_segment = 0 }
  }
  expect_failures = [var.backup]
}

run "half_a_record" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", records_per_segment = 1.5 }
  }
  expect_failures = [var.backup]
}

run "negative_wait" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", retry_upload_seconds = -1 }
  }
  expect_failures = [var.backup]
}

run "no_threads" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", threads = 0 }
  }
  expect_failures = [var.backup]
}

run "negative_segments" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", max_segments = -1 }
  }
  expect_failures = [var.backup]
}

run "unknown_isolation" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", isolation_level = "serializable" }
  }
  expect_failures = [var.backup]
}

run "unknown_compression" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", compression = "gzip:13" }
  }
  expect_failures = [var.backup]
}

run "schedule_of_unix" {
  command = plan
  variables {
    schedule = { expression = "*/5 * * * *" }
  }
  expect_failures = [var.schedule]
}

run "no_shards" {
  command = plan
  variables {
    schedule = { shards = 0 }
  }
  expect_failures = [var.schedule]
}

run "window_of_two_days" {
  command = plan
  variables {
    schedule = { expression = "rate(7 days)", window_minutes = 2880 }
  }
  expect_failures = [var.schedule]
}

run "restore_package_that_is_not_there" {
  command = plan
  variables {
    restore = { package_path = "tests/nothing.zip", backup_topics = ["orders"], restore_topic = "copy" }
  }
  expect_failures = [aws_lambda_function.this]
}

run "restore_of_a_path" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders/0"], restore_topic = "copy" }
  }
  expect_failures = [var.restore]
}

run "restore_into_no_topic" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy@2" }
  }
  expect_failures = [var.restore]
}

run "restore_into_what_is_backed_up" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders" }
  }
  expect_failures = [var.restore]
}

run "restore_id_with_a_star" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", id = "*" }
  }
  expect_failures = [var.restore]
}

run "restore_id_of_a_claim" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", id = "@target" }
  }
  expect_failures = [var.restore]
}

run "restore_by_cron" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", expression = "cron(0 3 * * ? *)" }
  }
  expect_failures = [var.restore]
}

run "restore_with_little_memory" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", memory_mb = 64 }
  }
  expect_failures = [var.restore]
}

run "restore_without_time" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", timeout_seconds = 5 }
  }
  expect_failures = [var.restore]
}

run "unknown_strategy" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", partition_strategy = "hash" }
  }
  expect_failures = [var.restore]
}

run "unknown_delivery" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", delivery = "at-most-once" }
  }
  expect_failures = [var.restore]
}

run "restore_without_threads" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", threads = 0 }
  }
  expect_failures = [var.restore]
}

run "no_replicas" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", replication_factor = 0 }
  }
  expect_failures = [var.restore]
}

run "unknown_check" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", anyway = ["everything"] }
  }
  expect_failures = [var.restore]
}

run "time_without_offset" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "restored", until = "2026-11-27T14:00:00" }
  }
  expect_failures = [var.restore]
}

run "time_that_ends_before_it_begins" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "restored", from = "2026-11-27T15:00:00+01:00", until = "2026-11-27T14:00:00Z" }
  }
  expect_failures = [var.restore]
}

run "restore_cluster_without_port" {
  command = plan
  variables {
    restore_kafka = { bootstrap_servers = "b", auth = "TLS" }
  }
  expect_failures = [var.restore_kafka]
}

run "restore_cluster_without_login" {
  command = plan
  variables {
    restore_kafka = { bootstrap_servers = "b:1" }
  }
  expect_failures = [var.restore_kafka]
}

run "restore_cluster_without_secret" {
  command = plan
  variables {
    restore_kafka = { bootstrap_servers = "b:1", auth = "PLAIN" }
  }
  expect_failures = [var.restore_kafka]
}

run "restore_cluster_with_unknown_auth" {
  command = plan
  variables {
    restore_kafka = { bootstrap_servers = "b:1", auth = "KERBEROS" }
  }
  expect_failures = [var.restore_kafka]
}

run "certificate_path_of_the_restore_cluster" {
  command = plan
  variables {
    restore_kafka = { bootstrap_servers = "b:1", auth = "TLS", ca_pem = "ca.pem" }
  }
  expect_failures = [var.restore_kafka]
}

run "variable_of_the_restore_cluster" {
  command = plan
  variables {
    restore_kafka = { bootstrap_servers = "b:1", auth = "TLS", properties = { FETCH_MAX_BYTES = "1" } }
  }
  expect_failures = [var.restore_kafka]
}

run "password_of_the_restore_cluster" {
  command = plan
  variables {
    restore_kafka = { bootstrap_servers = "b:1", auth = "TLS", properties = { "ssl.key.password" = "x" } }
  }
  expect_failures = [var.restore_kafka]
}

run "protocol_of_the_restore_cluster" {
  command = plan
  variables {
    restore_kafka = { bootstrap_servers = "b:1", auth = "TLS", properties = { "sasl.mechanism" = "PLAIN" } }
  }
  expect_failures = [var.restore_kafka]
}

run "unknown_architecture" {
  command = plan
  variables {
    architecture = "riscv64"
  }
  expect_failures = [var.architecture]
}

run "boundary_by_name" {
  command = plan
  variables {
    permissions_boundary_arn = "developers"
  }
  expect_failures = [var.permissions_boundary_arn]
}

run "signing_by_name" {
  command = plan
  variables {
    code_signing_config_arn = "release"
  }
  expect_failures = [var.code_signing_config_arn]
}

run "unknown_log_level" {
  command = plan
  variables {
    log = { level = "TRACE" }
  }
  expect_failures = [var.log]
}

run "unknown_retention" {
  command = plan
  variables {
    log = { retention_days = 31 }
  }
  expect_failures = [var.log]
}

run "bucket_with_capitals" {
  command = plan
  variables {
    bucket = { name = "Backups" }
  }
  expect_failures = [var.bucket]
}

run "bucket_without_a_name" {
  command = plan
  variables {
    bucket = { create = false }
  }
  expect_failures = [var.bucket]
}

run "prefix_with_a_slash" {
  command = plan
  variables {
    bucket = { prefix = "kafka/" }
  }
  expect_failures = [var.bucket]
}

run "prefix_with_a_star" {
  command = plan
  variables {
    bucket = { prefix = "*" }
  }
  expect_failures = [var.bucket]
}

run "unknown_lock" {
  command = plan
  variables {
    bucket = { lock_mode = "LEGAL" }
  }
  expect_failures = [var.bucket]
}

run "lock_of_no_day" {
  command = plan
  variables {
    bucket = { lock_days = 0 }
  }
  expect_failures = [var.bucket]
}

run "storage_that_cannot_be_read" {
  command = plan
  variables {
    bucket = { storage_class = "GLACIER" }
  }
  expect_failures = [var.bucket]
}

run "transition_to_what_cannot_be_read" {
  command = plan
  variables {
    bucket = { transition_days = 90, transition_class = "DEEP_ARCHIVE" }
  }
  expect_failures = [var.bucket]
}

run "transition_too_early" {
  command = plan
  variables {
    bucket = { transition_days = 7, transition_class = "STANDARD_IA" }
  }
  expect_failures = [var.bucket]
}

run "expiry_before_transition" {
  command = plan
  variables {
    bucket = { transition_days = 90, expire_days = 60 }
  }
  expect_failures = [var.bucket]
}

run "expiry_before_the_lock" {
  command = plan
  variables {
    bucket = { lock_days = 30, expire_days = 7 }
  }
  expect_failures = [var.bucket]
}

run "versions_of_no_day" {
  command = plan
  variables {
    bucket = { noncurrent_expire_days = 0 }
  }
  expect_failures = [var.bucket]
}

run "key_by_alias" {
  command = plan
  variables {
    kms_key = { arn = "arn:aws:kms:eu-central-1:123456789012:alias/mine" }
  }
  expect_failures = [var.kms_key]
}

run "network_without_subnets" {
  command = plan
  variables {
    network = { vpc_id = "vpc-0a", subnet_ids = [], broker_cidrs = ["10.0.0.0/16"], s3_prefix_list_id = "pl-0a" }
  }
  expect_failures = [var.network]
}

run "network_without_brokers" {
  command = plan
  variables {
    network = { vpc_id = "vpc-0a", subnet_ids = ["subnet-0a"], s3_prefix_list_id = "pl-0a" }
  }
  expect_failures = [var.network]
}

run "network_with_both_brokers" {
  command = plan
  variables {
    network = { vpc_id = "vpc-0a", subnet_ids = ["subnet-0a"], broker_cidrs = ["10.0.0.0/16"], broker_security_group_id = "sg-0a", s3_prefix_list_id = "pl-0a" }
  }
  expect_failures = [var.network]
}

run "network_with_the_same_brokers_twice" {
  command = plan
  variables {
    restore_kafka = { bootstrap_servers = "b:9094", auth = "TLS" }
    network       = { vpc_id = "vpc-0a", subnet_ids = ["subnet-0a"], broker_security_group_id = "sg-0a", restore_brokers = { security_group_id = "sg-0a" }, s3_prefix_list_id = "pl-0a" }
  }
  expect_failures = [var.network]
}

run "network_with_a_way_to_no_other_cluster" {
  command = plan
  variables {
    network = { vpc_id = "vpc-0a", subnet_ids = ["subnet-0a"], broker_security_group_id = "sg-0a", restore_brokers = { security_group_id = "sg-0b" }, s3_prefix_list_id = "pl-0a" }
  }
  expect_failures = [var.network]
}

run "network_without_a_way_to_s3" {
  command = plan
  variables {
    network = { vpc_id = "vpc-0a", subnet_ids = ["subnet-0a"], broker_cidrs = ["10.0.0.0/16"] }
  }
  expect_failures = [var.network]
}

run "network_with_a_bad_range" {
  command = plan
  variables {
    network = { vpc_id = "vpc-0a", subnet_ids = ["subnet-0a"], broker_cidrs = ["10.0.0.0/99"], s3_prefix_list_id = "pl-0a" }
  }
  expect_failures = [var.network]
}

run "alarm_topic_by_name" {
  command = plan
  variables {
    alarms = { topic = { arn = "oncall" } }
  }
  expect_failures = [var.alarms]
}

run "no_address" {
  command = plan
  variables {
    alarms = { emails = ["oncall"] }
  }
  expect_failures = [var.alarms]
}

run "addresses_of_somebody_elses_topic" {
  command = plan
  variables {
    alarms = { topic = { arn = "arn:aws:sns:eu-central-1:123456789012:oncall" }, emails = ["a@example.com"] }
  }
  expect_failures = [var.alarms]
}

run "stale_not_a_multiple" {
  command = plan
  variables {
    alarms = { stale_minutes = 25 }
  }
  expect_failures = [var.alarms]
}

run "stale_before_the_next_run" {
  command = plan
  variables {
    alarms = { stale_minutes = 6 }
  }
  expect_failures = [var.alarms]
}

run "no_lag" {
  command = plan
  variables {
    alarms = { lag_records = 0 }
  }
  expect_failures = [var.alarms]
}

run "growth_not_a_multiple" {
  command = plan
  variables {
    alarms = { lag_growing_minutes = 31 }
  }
  expect_failures = [var.alarms]
}

run "growth_faster_than_runs" {
  command = plan
  variables {
    alarms   = { stale_minutes = 120, lag_growing_minutes = 60 }
    schedule = { expression = "rate(1 hour)" }
  }
  expect_failures = [var.alarms]
}

run "no_errors_in_a_row" {
  command = plan
  variables {
    alarms = { errors_in_a_row = 0 }
  }
  expect_failures = [var.alarms]
}

run "newer_internal_topic" {
  command = plan
  variables {
    topics = ["__share_group_state"]
  }
  expect_failures = [var.topics]
}

run "half_a_thread" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", threads = 1.5 }
  }
  expect_failures = [var.backup]
}

run "half_a_megabyte" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", memory_mb = 512.5 }
  }
  expect_failures = [var.backup]
}

run "half_a_second" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", timeout_seconds = 60.5 }
  }
  expect_failures = [var.backup]
}

run "half_a_second_of_waiting" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", retry_upload_seconds = 0.5 }
  }
  expect_failures = [var.backup]
}

run "half_a_segment" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", max_segments = 0.5 }
  }
  expect_failures = [var.backup]
}

run "half_a_minute" {
  command = plan
  variables {
    schedule = { window_minutes = 0.5 }
  }
  expect_failures = [var.schedule]
}

run "generation_with_a_leading_zero" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders@01"], restore_topic = "copy" }
  }
  expect_failures = [var.restore]
}

run "generation_of_zero" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders@0"], restore_topic = "copy" }
  }
  expect_failures = [var.restore]
}

run "restore_of_two_dots" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = [".."], restore_topic = "copy" }
  }
  expect_failures = [var.restore]
}

run "restore_of_an_internal_topic" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["__consumer_offsets@2"], restore_topic = "copy" }
  }
  expect_failures = [var.restore]
}

run "restore_into_two_dots" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = ".." }
  }
  expect_failures = [var.restore]
}

run "restore_into_an_internal_topic" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "__consumer_offsets" }
  }
  expect_failures = [var.restore]
}

run "restore_id_of_two_dots" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", id = ".." }
  }
  expect_failures = [var.restore]
}

run "restore_without_id_of_long_names" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = [join("", [for n in range(120) : "a"])], restore_topic = join("", [for n in range(120) : "b"]) }
  }
  expect_failures = [var.restore]
}

run "restore_with_half_a_thread" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", threads = 1.5 }
  }
  expect_failures = [var.restore]
}

run "restore_with_half_a_megabyte" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", memory_mb = 512.5 }
  }
  expect_failures = [var.restore]
}

run "restore_with_half_a_second" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", timeout_seconds = 60.5 }
  }
  expect_failures = [var.restore]
}

run "restore_of_half_a_segment" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", max_segments = 0.5 }
  }
  expect_failures = [var.restore]
}

run "half_a_replica" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", replication_factor = 1.5 }
  }
  expect_failures = [var.restore]
}

run "prefix_upwards" {
  command = plan
  variables {
    bucket = { prefix = "kafka/../other" }
  }
  expect_failures = [var.bucket]
}

run "lock_of_half_a_day" {
  command = plan
  variables {
    bucket = { lock_days = 1.5 }
  }
  expect_failures = [var.bucket]
}

run "transition_to_where_objects_begin" {
  command = plan
  variables {
    bucket = { transition_days = 90, transition_class = "STANDARD" }
  }
  expect_failures = [var.bucket]
}

run "transition_before_it_is_written" {
  command = plan
  variables {
    bucket = { transition_days = -1 }
  }
  expect_failures = [var.bucket]
}

run "transition_after_half_a_day" {
  command = plan
  variables {
    bucket = { transition_days = 30.5 }
  }
  expect_failures = [var.bucket]
}

run "expiry_after_half_a_day" {
  command = plan
  variables {
    bucket = { expire_days = 40.5 }
  }
  expect_failures = [var.bucket]
}

run "versions_of_half_a_day" {
  command = plan
  variables {
    bucket = { noncurrent_expire_days = 1.5 }
  }
  expect_failures = [var.bucket]
}

run "certificate_without_tls" {
  command = plan
  variables {
    kafka = { bootstrap_servers = "b:1", auth = "PLAINTEXT", ca_pem = "-----BEGIN CERTIFICATE-----" }
  }
  expect_failures = [var.kafka]
}

run "certificate_without_tls_of_the_restore_cluster" {
  command = plan
  variables {
    restore_kafka = { bootstrap_servers = "b:1", auth = "PLAINTEXT", ca_pem = "-----BEGIN CERTIFICATE-----" }
  }
  expect_failures = [var.restore_kafka]
}

run "network_of_no_ranges" {
  command = plan
  variables {
    network = { vpc_id = "vpc-0a", subnet_ids = ["subnet-0a"], broker_cidrs = [], s3_prefix_list_id = "pl-0a" }
  }
  expect_failures = [var.network]
}

run "network_of_no_ports" {
  command = plan
  variables {
    network = { vpc_id = "vpc-0a", subnet_ids = ["subnet-0a"], broker_cidrs = ["10.0.0.0/16"], broker_ports = [], s3_prefix_list_id = "pl-0a" }
  }
  expect_failures = [var.network]
}

run "network_of_no_route_tables" {
  command = plan
  variables {
    network = { vpc_id = "vpc-0a", subnet_ids = ["subnet-0a"], broker_cidrs = ["10.0.0.0/16"], route_table_ids = [] }
  }
  expect_failures = [var.network]
}

run "network_with_a_bad_port" {
  command = plan
  variables {
    network = { vpc_id = "vpc-0a", subnet_ids = ["subnet-0a"], broker_cidrs = ["10.0.0.0/16"], broker_ports = [70000], s3_prefix_list_id = "pl-0a" }
  }
  expect_failures = [var.network]
}

run "snapshots_less_often_than_once_a_day" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", snapshot_seconds = 86401 }
  }
  expect_failures = [var.backup]
}

run "half_a_second_between_snapshots" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", snapshot_seconds = 0.5 }
  }
  expect_failures = [var.backup]
}

run "no_groups_in_snapshots" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", consumer_groups = [] }
  }
  expect_failures = [var.backup]
}

run "a_group_without_a_name" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", consumer_groups = ["orders", ""] }
  }
  expect_failures = [var.backup]
}

run "a_group_with_space_at_its_end" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", exclude_consumer_groups = ["orders "] }
  }
  expect_failures = [var.backup]
}

run "a_group_that_is_no_regular_expression" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", consumer_groups = ["^orders-("] }
  }
  expect_failures = [var.backup]
}

run "a_group_twice" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", consumer_groups = ["orders", "orders"] }
  }
  expect_failures = [var.backup]
}

run "a_group_that_is_excluded" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", consumer_groups = ["orders"], exclude_consumer_groups = ["orders"] }
  }
  expect_failures = [var.backup]
}

run "metrics_of_too_many_topics" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", metrics_max_topics = 1001 }
  }
  expect_failures = [var.backup]
}

run "metrics_of_half_a_topic" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", metrics_max_topics = 0.5 }
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

run "snapshots_that_expire_at_once" {
  command = plan
  variables {
    bucket = { lock_mode = "NONE", snapshot_expire_days = 6 }
  }
  expect_failures = [var.bucket]
}

run "snapshots_that_expire_while_they_are_locked" {
  command = plan
  variables {
    bucket = { lock_days = 30, snapshot_expire_days = 29 }
  }
  expect_failures = [var.bucket]
}

run "restore_of_nothing" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = [], restore_topic = "copy" }
  }
  expect_failures = [var.restore]
}

run "restore_of_several_into_one" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders", "users"], restore_topic = "copy", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_of_a_pattern_into_one" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["ord*"], restore_topic = "copy", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_of_a_topic_twice" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders", "orders@1"], restore_topic = "dr.{topic}", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_of_a_broken_expression" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["^a("], restore_topic = "dr.{topic}", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_into_other_braces" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "dr.{name}" }
  }
  expect_failures = [var.restore]
}

run "restore_over_what_is_backed_up" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["ord*"], restore_topic = "{topic}", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_without_legal_exclusions" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["ord*"], restore_topic = "dr.{topic}", exclude_topics = ["a b"], id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_of_partitions_of_several" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["ord*"], restore_topic = "dr.{topic}", partitions = "0", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_of_partitions_that_are_none" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", partitions = "0..4", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_as_of_a_day" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", as_of = "2026-11-27", id = "drill" }
  }
  expect_failures = [var.restore]
}

run "restore_of_no_cluster" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", backup_cluster = " " }
  }
  expect_failures = [var.restore]
}

run "restore_of_several_without_an_id" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders", "users"], restore_topic = "dr.{topic}" }
  }
  expect_failures = [var.restore]
}

run "restore_as_of_without_an_id" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", as_of = "latest" }
  }
  expect_failures = [var.restore]
}

run "restore_of_partitions_without_an_id" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", partitions = "0" }
  }
  expect_failures = [var.restore]
}

run "groups_of_none_are_finished" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", groups = [] }
  }
  expect_failures = [var.restore]
}

run "an_empty_group_is_finished" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", groups = ["orders", ""] }
  }
  expect_failures = [var.restore]
}

run "a_group_that_ends_with_a_space" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", exclude_groups = ["orders "] }
  }
  expect_failures = [var.restore]
}

run "a_broken_pattern_of_groups_to_finish" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", groups = ["^orders-("] }
  }
  expect_failures = [var.restore]
}

run "a_group_is_finished_twice" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", groups = ["orders", "orders"] }
  }
  expect_failures = [var.restore]
}

run "a_group_is_finished_and_is_not" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", groups = ["orders"], exclude_groups = ["orders"] }
  }
  expect_failures = [var.restore]
}

run "an_unknown_part_of_finish" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", finish = ["users"] }
  }
  expect_failures = [var.restore]
}

run "finish_without_an_end" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", finish = ["configs"] }
  }
  expect_failures = [var.restore]
}

run "groups_of_another_partitioning" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", partition_strategy = "key", finish = ["all"] }
  }
  expect_failures = [var.restore]
}

run "groups_of_a_time_range" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill", until = "2026-11-27T14:00:00Z", finish = ["groups"] }
  }
  expect_failures = [var.restore]
}

run "configs_of_another_partitioning" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", id = "drill", as_of = "latest", partition_strategy = "key", until = "2026-11-27T14:00:00Z", finish = ["configs", "acls"] }
  }
}

run "no_key_at_all" {
  command = plan
  variables {
    make_kms_key = false
  }
  expect_failures = [var.make_kms_key]
}

run "old_key_by_alias" {
  command = plan
  variables {
    old_kms_key_arns = ["arn:aws:kms:eu-central-1:123456789012:alias/mine"]
  }
  expect_failures = [var.old_kms_key_arns]
}

run "break_glass_of_every_role" {
  command = plan
  variables {
    break_glass_role_arns = ["arn:aws:iam::123456789012:role/*"]
  }
  expect_failures = [var.break_glass_role_arns]
}

run "compliance_without_days" {
  command = plan
  variables {
    bucket = { lock_mode = "COMPLIANCE" }
  }
  expect_failures = [var.bucket]
}

run "snapshots_that_expire_before_ten_years_of_lock" {
  command = plan
  variables {
    bucket = { snapshot_expire_days = 400 }
  }
  expect_failures = [var.bucket]
}

# Six periods of ten minutes never have data of six runs.
run "alarms_that_a_daily_cron_cannot_raise" {
  command = plan
  variables {
    schedule = { expression = "cron(0 3 * * ? *)" }
    alarms   = { stale_minutes = 2880, lag_growing_minutes = 8634 }
  }
  expect_failures = [var.alarms]
}

run "alarms_that_a_cron_of_six_hours_cannot_raise" {
  command = plan
  variables {
    schedule = { expression = "cron(30 */6 * * ? *)" }
    alarms   = { stale_minutes = 714, lag_growing_minutes = 2160 }
  }
  expect_failures = [var.alarms]
}

run "alarms_that_crons_can_raise" {
  command = plan
  variables {
    schedule = { expression = "cron(30 0/6 * * ? *)" }
    alarms   = { emails = ["oncall@example.com"], stale_minutes = 720, lag_growing_minutes = 2160 }
  }
}

run "alarms_of_a_cron_with_lists" {
  command = plan
  variables {
    schedule = { expression = "cron(0,10,20,30,40,50 * * * ? *)" }
  }
}

run "restore_of_a_generation_as_of_a_time" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders@1"], restore_topic = "copy", as_of = "latest", id = "drill-1" }
  }
  expect_failures = [var.restore]
}

run "restore_of_a_generation" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders@1"], restore_topic = "copy" }
  }
}

run "restore_longer_than_its_interval" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", timeout_seconds = 900 }
  }
  expect_failures = [var.restore]
}

run "restore_as_long_as_its_interval" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", timeout_seconds = 900, expression = "rate(15 minutes)" }
  }
}

run "restore_on_no_shard" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", shards = 0 }
  }
  expect_failures = [var.restore]
}

run "standing_still_not_a_multiple" {
  command = plan
  variables {
    alarms = { restore_minutes = 31 }
  }
  expect_failures = [var.alarms]
}

run "standing_still_faster_than_runs" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "{topic}.copy", id = "all", expression = "rate(15 minutes)" }
  }
  expect_failures = [var.alarms]
}

run "no_package" {
  command = plan
  variables {
    backup = {}
  }
  expect_failures = [var.backup]
}

run "two_packages" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", package_s3 = { bucket = "artifacts", key = "backup.zip", version = "1" } }
  }
  expect_failures = [var.backup]
}

run "image_by_a_tag" {
  command = plan
  variables {
    backup = { image_uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/kafka-backup:1.0" }
  }
  expect_failures = [var.backup]
}

run "restore_of_two_packages" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", package_s3 = { bucket = "artifacts", key = "restore.zip", version = "1" }, backup_topics = ["orders"], restore_topic = "copy" }
  }
  expect_failures = [var.restore]
}

run "restore_image_by_a_tag" {
  command = plan
  variables {
    restore = { image_uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/kafka-backup:1.0", backup_topics = ["orders"], restore_topic = "copy" }
  }
  expect_failures = [var.restore]
}

run "zone_by_its_name" {
  command = plan
  variables {
    network = { vpc_id = "vpc-0123456789abcdef0", subnet_ids = ["subnet-0123456789abcdef0"], zone_id = "us-east-1a", broker_cidrs = ["10.0.0.0/16"], s3_prefix_list_id = "pl-0123456789abcdef0" }
  }
  expect_failures = [var.network]
}

run "zone_and_rack" {
  command = plan
  variables {
    kafka   = { bootstrap_servers = "broker.example.com:9092", auth = "TLS", properties = { "client.rack" = "use1-az1" } }
    network = { vpc_id = "vpc-0123456789abcdef0", subnet_ids = ["subnet-0123456789abcdef0"], zone_id = "use1-az2", broker_cidrs = ["10.0.0.0/16"], s3_prefix_list_id = "pl-0123456789abcdef0" }
  }
  expect_failures = [var.network]
}

run "runbook_with_an_anchor" {
  command = plan
  variables {
    alarms = { runbook_url = "https://wiki.example.com/runbook#top" }
  }
  expect_failures = [var.alarms]
}

run "restore_with_more_threads_than_twelve_brokers_allow" {
  command = plan
  variables {
    restore       = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", threads = 29 }
    restore_kafka = { bootstrap_servers = join(",", [for number in range(12) : "b-${number}.example.com:9094"]), auth = "TLS" }
  }
  expect_failures = [var.restore]
}

run "a_negative_rate" {
  command = plan
  variables {
    backup = { package_path = "tests/package.zip", bytes_per_second = -1 }
  }
  expect_failures = [var.backup]
}

run "restore_with_half_a_byte" {
  command = plan
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "copy", bytes_per_second = 0.5 }
  }
  expect_failures = [var.restore]
}
