# The example as a user copies it.

variables {
  region            = "eu-central-1"
  bootstrap_servers = "pkc-abcde.eu-central-1.aws.confluent.cloud:9092"
  topics            = ["orders", "payments"]
  email             = "oncall@example.com"
  packages          = "tests"
}

run "apply" {
  assert {
    condition     = output.backup_function == "kafka-backup-backup" && output.restore_function == "kafka-backup-restore"
    error_message = "both functions"
  }
  assert {
    condition     = output.bucket == "kafka-backup-123456789012-eu-central-1"
    error_message = "bucket: ${output.bucket}"
  }
  assert {
    condition     = module.kafka_backup.environment["backup"].TOPIC_NAMES == "orders,payments" && !contains(keys(module.kafka_backup.environment["backup"]), "EXCLUDE_TOPIC_NAMES")
    error_message = "the topics by name, and nothing else"
  }
  assert {
    condition     = module.kafka_backup.environment["backup"].KAFKA_SECRET_ARN == aws_secretsmanager_secret.kafka.arn && module.kafka_backup.environment["backup"].KAFKA_SASL_MECHANISM == "PLAIN"
    error_message = "logs in with the secret"
  }
  assert {
    condition     = module.kafka_backup.environment["restore"].BACKUP_TOPIC_NAME == "orders" && module.kafka_backup.environment["restore"].RESTORE_TOPIC_NAME == "orders.restored"
    error_message = "the drill restores the first topic to another name"
  }
  assert {
    condition     = strcontains(module.kafka_backup.policies["backup"], aws_secretsmanager_secret.kafka.arn)
    error_message = "can read the secret"
  }
}

run "topics_by_pattern" {
  variables {
    topics         = ["orders", "*"]
    exclude_topics = ["*-test"]
  }

  assert {
    condition     = module.kafka_backup.environment["backup"].TOPIC_NAMES == "orders,*" && module.kafka_backup.environment["backup"].EXCLUDE_TOPIC_NAMES == "*-test,orders.restored"
    error_message = "what the drill restores is not backed up: ${jsonencode(module.kafka_backup.environment["backup"])}"
  }
}

run "pattern_first" {
  command = plan
  variables {
    topics = ["*", "orders"]
  }
  expect_failures = [var.topics]
}

run "empty_exclusion" {
  command = plan
  variables {
    exclude_topics = [""]
  }
  expect_failures = [var.exclude_topics]
}

run "nobody_to_tell" {
  variables {
    email = null
  }

  assert {
    condition     = output.bucket != "" && module.kafka_backup.alarm_topic_arn == null
    error_message = "an address is optional, and without one there are no alarms"
  }
}

run "no_packages" {
  command = plan
  variables {
    packages = "tests/package.zip"
  }
  expect_failures = [var.packages]
}

run "servers_with_spaces" {
  command = plan
  variables {
    bootstrap_servers = "a:9092, b:9092"
  }
  expect_failures = [var.bootstrap_servers]
}

run "unknown_mechanism" {
  command = plan
  variables {
    sasl_mechanism = "GSSAPI"
  }
  expect_failures = [var.sasl_mechanism]
}

run "no_topics" {
  command = plan
  variables {
    topics = []
  }
  expect_failures = [var.topics]
}

run "no_region" {
  command = plan
  variables {
    region = "Frankfurt"
  }
  expect_failures = [var.region]
}

run "no_address" {
  command = plan
  variables {
    email = "oncall"
  }
  expect_failures = [var.email]
}
