# Functions, logs, schedules and failed events.

provider "aws" {
  region = "eu-central-1"
}

variables {
  alarms = { emails = ["oncall@example.com"] }
  name   = "kb"
  topics = ["orders", "payments"]
  kafka = {
    bootstrap_servers = "b-1.example.com:9098,b-2.example.com:9098"
    msk_cluster_arn   = "arn:aws:kafka:eu-central-1:123456789012:cluster/events/1d3a-7"
  }
  backup = { package_path = "tests/package.zip" }
}

run "backup_alone" {
  assert {
    condition     = jsonencode(keys(aws_lambda_function.this)) == jsonencode(["backup"]) && length(aws_scheduler_schedule.restore) == 0
    error_message = "without var.restore no resource can write to Kafka"
  }
  assert {
    condition = alltrue([
      aws_lambda_function.this["backup"].function_name == "kb-backup",
      aws_lambda_function.this["backup"].runtime == "provided.al2023",
      aws_lambda_function.this["backup"].handler == "bootstrap",
      aws_lambda_function.this["backup"].architectures[0] == "arm64",
      aws_lambda_function.this["backup"].memory_size == 1769,
      aws_lambda_function.this["backup"].timeout == 240,
      aws_lambda_function.this["backup"].reserved_concurrent_executions == 1,
      aws_lambda_function.this["backup"].source_code_hash == filebase64sha256("tests/package.zip"),
      aws_lambda_function.this["backup"].tracing_config[0].mode == "Active",
      aws_lambda_function.this["backup"].kms_key_arn == output.kms_key_arn,
      aws_lambda_function.this["backup"].role == aws_iam_role.function["backup"].arn,
      length(aws_lambda_function.this["backup"].vpc_config) == 0,
    ])
    error_message = "the backup function is not as promised"
  }
  assert {
    condition = alltrue([
      aws_lambda_function.this["backup"].logging_config[0].log_format == "JSON",
      aws_lambda_function.this["backup"].logging_config[0].application_log_level == "INFO",
      aws_lambda_function.this["backup"].logging_config[0].log_group == "/aws/lambda/kb-backup",
      aws_cloudwatch_log_group.this["backup"].name == "/aws/lambda/kb-backup",
      aws_cloudwatch_log_group.this["backup"].retention_in_days == 365,
      aws_cloudwatch_log_group.this["backup"].kms_key_id == output.kms_key_arn,
    ])
    error_message = "the log is not as promised; above INFO the metrics would be dropped"
  }
  assert {
    condition = alltrue([
      aws_lambda_function_event_invoke_config.this["backup"].maximum_retry_attempts == 0,
      aws_lambda_function_event_invoke_config.this["backup"].maximum_event_age_in_seconds == 60,
      aws_lambda_function_event_invoke_config.this["backup"].destination_config[0].on_failure[0].destination == aws_sqs_queue.failures.arn,
    ])
    error_message = "a failed event must not be repeated, and must land in the queue"
  }
  assert {
    condition = alltrue([
      aws_scheduler_schedule.backup[0].schedule_expression == "rate(5 minutes)",
      aws_scheduler_schedule.backup[0].state == "ENABLED",
      aws_scheduler_schedule.backup[0].flexible_time_window[0].mode == "FLEXIBLE",
      aws_scheduler_schedule.backup[0].flexible_time_window[0].maximum_window_in_minutes == 1,
      aws_scheduler_schedule.backup[0].target[0].arn == output.functions["backup"].arn,
      aws_scheduler_schedule.backup[0].target[0].role_arn == aws_iam_role.scheduler.arn,
      aws_scheduler_schedule.backup[0].target[0].input == "{\"of\":1,\"shard\":0}",
      aws_scheduler_schedule.backup[0].target[0].retry_policy[0].maximum_retry_attempts == 3,
      aws_scheduler_schedule.backup[0].target[0].retry_policy[0].maximum_event_age_in_seconds == 60,
      aws_scheduler_schedule.backup[0].target[0].dead_letter_config[0].arn == aws_sqs_queue.failures.arn,
      aws_scheduler_schedule.backup[0].kms_key_arn == output.kms_key_arn,
      aws_scheduler_schedule.backup[0].group_name == "kb",
    ])
    error_message = "the schedule is not as promised"
  }
  assert {
    condition     = aws_sqs_queue.failures.sqs_managed_sse_enabled && aws_sqs_queue.failures.message_retention_seconds == 1209600
    error_message = "the queue of failed events is not as promised"
  }
  assert {
    condition = jsonencode(output.environment["backup"]) == jsonencode({
      BOOTSTRAP_SERVERS                 = "b-1.example.com:9098,b-2.example.com:9098"
      KAFKA_AUTH                        = "MSK_IAM"
      TOPIC_NAMES                       = "orders,payments"
      GROUP_ID                          = "kafka-backup"
      FILESYSTEM_TYPE                   = "S3"
      BUCKET_NAME                       = "kb-123456789012-eu-central-1"
      S3_REGION                         = "eu-central-1"
      S3_SSE_KMS_KEY_ID                 = output.kms_key_arn
      NUMBER_OF_MESSAGE_PER_BACKUP_FILE = "100000"
      RETRY_UPLOAD_SECONDS              = "300"
      SNAPSHOT_SECONDS                  = "300"
      METRICS_MAX_TOPICS                = "0"
      NUMBER_OF_KAFKA_THREADS           = "4"
      MAX_SEGMENTS_PER_INVOCATION       = "0"
      ISOLATION_LEVEL                   = "read_committed"
      COMPRESSION                       = "gzip:3"
      LOG_LEVEL                         = "INFO"
    })
    error_message = "environment of the backup: ${jsonencode(output.environment["backup"])}"
  }
}

run "topics_by_pattern" {
  variables {
    topics             = ["audit", "payments-*", "^orders-[0-9]{1,4}"]
    exclude_topics     = ["*-test", "tmp?"]
    msk_topic_patterns = ["audit", "payments-*", "orders-*"]
  }

  assert {
    condition     = output.environment["backup"].TOPIC_NAMES == "[\"audit\",\"payments-*\",\"^orders-[0-9]{1,4}\"]" && output.environment["backup"].EXCLUDE_TOPIC_NAMES == "*-test,tmp?"
    error_message = "topics of the backup: ${jsonencode(output.environment["backup"])}"
  }
}

run "snapshots_and_metrics" {
  variables {
    backup = { package_path = "tests/package.zip", snapshot_seconds = 900, consumer_groups = ["orders-*", "^b{1,2}"], exclude_consumer_groups = ["tmp-?"], metrics_max_topics = 7 }
  }

  assert {
    condition = jsonencode({ for key, value in output.environment["backup"] : key => value if can(regex("SNAPSHOT|GROUPS|METRICS", key)) }) == jsonencode({
      CONSUMER_GROUPS = "[\"orders-*\",\"^b{1,2}\"]", EXCLUDE_CONSUMER_GROUPS = "tmp-?", METRICS_MAX_TOPICS = "7", SNAPSHOT_SECONDS = "900"
    })
    error_message = "snapshots of the backup: ${jsonencode(output.environment["backup"])}"
  }
}

run "sharded" {
  variables {
    architecture        = "x86_64"
    reserve_concurrency = true
    schedule            = { shards = 4, window_minutes = 0, expression = "cron(0/10 * * * ? *)", timezone = "Europe/Berlin", enabled = false }
    backup              = { package_path = "tests/package.zip", timeout_seconds = 900, memory_mb = 3538 }
    log                 = { level = "DEBUG", retention_days = 30 }
  }

  assert {
    condition     = jsonencode([for schedule in aws_scheduler_schedule.backup : schedule.name]) == jsonencode(["kb-backup-0", "kb-backup-1", "kb-backup-2", "kb-backup-3"])
    error_message = "one schedule for each shard"
  }
  assert {
    condition     = jsonencode([for schedule in aws_scheduler_schedule.backup : jsondecode(schedule.target[0].input)]) == jsonencode([for shard in range(4) : { shard = shard, of = 4 }])
    error_message = "each schedule sends its shard"
  }
  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.backup : schedule.state == "DISABLED" && schedule.flexible_time_window[0].mode == "OFF" && schedule.schedule_expression_timezone == "Europe/Berlin"])
    error_message = "state, window or time zone of the schedules"
  }
  assert {
    condition     = aws_lambda_function.this["backup"].reserved_concurrent_executions == 4 && aws_lambda_function.this["backup"].architectures[0] == "x86_64"
    error_message = "one invocation for each shard, on the chosen architecture"
  }
  assert {
    condition     = aws_lambda_function.this["backup"].logging_config[0].application_log_level == "DEBUG" && aws_cloudwatch_log_group.this["backup"].retention_in_days == 30
    error_message = "a debug log must not be filtered"
  }
  assert {
    condition     = alltrue([for key, alarm in aws_cloudwatch_metric_alarm.this : !alarm.actions_enabled if can(regex("stale|snapshot", key))]) && length([for key, alarm in aws_cloudwatch_metric_alarm.this : key if can(regex("stale", key))]) == 4
    error_message = "a schedule that is switched off must not wake anybody"
  }
}

run "with_restore" {
  variables {
    reserve_concurrency = false
    restore = {
      package_path       = "tests/package.zip"
      backup_topics      = ["orders@2"]
      restore_topic      = "orders.restored"
      partition_strategy = "key"
      replication_factor = 3
      anyway             = ["retention", "not-empty", "expired"]
      from               = "2026-11-01T00:00:00Z"
      until              = "2026-11-27T15:00:00+01:00"
      skip_damaged       = true
    }
  }

  assert {
    condition     = length(aws_scheduler_schedule.restore) == 1 && aws_scheduler_schedule.restore[0].state == "DISABLED" && aws_scheduler_schedule.restore[0].target[0].input == "{}"
    error_message = "the restore's schedule must be disabled unless asked for"
  }
  assert {
    condition     = alltrue([for function in aws_lambda_function.this : function.reserved_concurrent_executions == -1])
    error_message = "no concurrency is reserved if none is available"
  }
  assert {
    condition = jsonencode(output.environment["restore"]) == jsonencode({
      BOOTSTRAP_SERVERS           = "b-1.example.com:9098,b-2.example.com:9098"
      KAFKA_AUTH                  = "MSK_IAM"
      BACKUP_TOPIC_NAME           = "orders@2"
      RESTORE_TOPIC_NAME          = "orders.restored"
      RESTORE_ID                  = "orders@2-to-orders.restored"
      RESTORE_PARTITION_STRATEGY  = "key"
      RESTORE_REPLICATION_FACTOR  = "3"
      RESTORE_ANYWAY              = "retention,not-empty,expired"
      RESTORE_FROM                = "2026-11-01T00:00:00Z"
      RESTORE_UNTIL               = "2026-11-27T15:00:00+01:00"
      SKIP_DAMAGED                = "true"
      DELIVERY                    = "exactly-once"
      FILESYSTEM_TYPE             = "S3"
      BUCKET_NAME                 = "kb-123456789012-eu-central-1"
      S3_REGION                   = "eu-central-1"
      S3_SSE_KMS_KEY_ID           = output.kms_key_arn
      NUMBER_OF_KAFKA_THREADS     = "4"
      MAX_SEGMENTS_PER_INVOCATION = "0"
      LOG_LEVEL                   = "INFO"
    })
    error_message = "environment of the restore: ${jsonencode(output.environment["restore"])}"
  }
  assert {
    condition     = jsonencode(output.schedules) == jsonencode(["kb-backup-0", "kb-restore"])
    error_message = "schedules: ${jsonencode(output.schedules)}"
  }
}

run "a_cluster_is_restored" {
  variables {
    restore = {
      package_path   = "tests/package.zip"
      backup_topics  = ["orders", "pay*", "^users-[0-9]{1,2}"]
      exclude_topics = ["*-test"]
      restore_topic  = "{topic}"
      as_of          = "latest"
      backup_cluster = "J8_sWPg5TBqGX9dvEPxFyA"
      anyway         = ["behind"]
      id             = "drill-2026-11"
    }
    restore_kafka = { bootstrap_servers = "other.example.com:9094", auth = "TLS" }
  }

  assert {
    condition = {
      for key, value in output.environment["restore"] : key => value if can(regex("BACKUP_|^RESTORE_", key))
      } == {
      BACKUP_TOPIC_NAME           = "[\"orders\",\"pay*\",\"^users-[0-9]{1,2}\"]"
      RESTORE_EXCLUDE_TOPIC_NAMES = "*-test"
      RESTORE_TOPIC_NAME          = "{topic}"
      RESTORE_AS_OF               = "latest"
      BACKUP_CLUSTER              = "J8_sWPg5TBqGX9dvEPxFyA"
      RESTORE_ANYWAY              = "behind"
      RESTORE_ID                  = "drill-2026-11"
      RESTORE_PARTITION_STRATEGY  = "same"
    }
    error_message = "environment of the restore: ${jsonencode(output.environment["restore"])}"
  }
}

run "a_restore_is_finished" {
  variables {
    restore = {
      package_path   = "tests/package.zip"
      backup_topics  = ["*"]
      restore_topic  = "{topic}"
      id             = "drill-2026-11"
      groups         = ["billing", "^shop-[0-9]{1,2}"]
      exclude_groups = ["console-consumer-*"]
      finish         = ["groups", "configs"]
      anyway         = ["retention", "group-offsets", "configs"]
    }
    restore_kafka = { bootstrap_servers = "other.example.com:9094", auth = "TLS" }
  }

  assert {
    condition = {
      for key, value in output.environment["restore"] : key => value if can(regex("GROUPS|FINISH|ANYWAY", key))
      } == {
      RESTORE_GROUPS         = "[\"billing\",\"^shop-[0-9]{1,2}\"]"
      RESTORE_EXCLUDE_GROUPS = "console-consumer-*"
      RESTORE_FINISH         = "groups,configs"
      RESTORE_ANYWAY         = "retention,group-offsets,configs"
    }
    error_message = "environment of the restore: ${jsonencode(output.environment["restore"])}"
  }
}

run "some_partitions_are_restored" {
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "{topic}.drill", partitions = "0,4-7", id = "drill-2026-11" }
  }

  assert {
    condition     = output.environment["restore"].BACKUP_PARTITIONS == "0,4-7" && output.environment["restore"].RESTORE_TOPIC_NAME == "{topic}.drill"
    error_message = "environment of the restore: ${jsonencode(output.environment["restore"])}"
  }
}

run "the_name_of_the_original_is_in_the_id" {
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders@2"], restore_topic = "{topic}.drill" }
  }

  assert {
    condition     = output.environment["restore"].RESTORE_ID == "orders@2-to-orders.drill"
    error_message = "environment of the restore: ${jsonencode(output.environment["restore"])}"
  }
}

run "restore_runs_when_asked" {
  variables {
    restore = {
      package_path  = "tests/package.zip"
      backup_topics = ["orders"]
      restore_topic = "orders"
      enabled       = true
    }
    restore_kafka = { bootstrap_servers = "other.example.com:9094", auth = "TLS", ca_pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", properties = { "compression.codec" = "zstd", "acks" = "ALL" } }
  }

  assert {
    condition     = aws_scheduler_schedule.restore[0].state == "ENABLED" && aws_lambda_function.this["restore"].reserved_concurrent_executions == 1
    error_message = "the restore's schedule must run when asked for, one invocation at a time"
  }
  assert {
    condition = alltrue([
      output.environment["restore"].BOOTSTRAP_SERVERS == "other.example.com:9094",
      output.environment["restore"].KAFKA_SECURITY_PROTOCOL == "SSL",
      output.environment["restore"].KAFKA_COMPRESSION_CODEC == "zstd",
      startswith(output.environment["restore"].KAFKA_CA_PEM, "-----BEGIN CERTIFICATE-----"),
      !contains(keys(output.environment["restore"]), "KAFKA_AUTH"),
      output.environment["backup"].KAFKA_AUTH == "MSK_IAM",
    ])
    error_message = "the restore goes to its own cluster: ${jsonencode(output.environment["restore"])}"
  }
}

run "client_certificate_and_token_endpoint" {
  variables {
    kafka = {
      bootstrap_servers = "broker.example.com:9093"
      auth              = "MTLS"
      secret_arn        = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:certificate-a1b2c3"
    }
    restore_kafka = {
      bootstrap_servers = "other.example.com:9093"
      auth              = "OAUTHBEARER"
      secret_arn        = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:client-a1b2c3"
    }
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders-restored" }
  }

  assert {
    condition = alltrue([
      output.environment["backup"].KAFKA_SECRET_ARN == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:certificate-a1b2c3",
      output.environment["backup"].KAFKA_SECURITY_PROTOCOL == "SSL",
      !contains(keys(output.environment["backup"]), "KAFKA_SASL_MECHANISM"),
      output.environment["restore"].KAFKA_SECRET_ARN == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:client-a1b2c3",
      output.environment["restore"].KAFKA_SECURITY_PROTOCOL == "SASL_SSL",
      output.environment["restore"].KAFKA_SASL_MECHANISM == "OAUTHBEARER",
      strcontains(output.policies["backup"], "secret:certificate-a1b2c3"),
      strcontains(output.policies["restore"], "secret:client-a1b2c3"),
    ])
    error_message = "environment: ${jsonencode(output.environment)}"
  }
}

run "user_name_and_password" {
  variables {
    kafka = {
      bootstrap_servers = "broker.example.com:9092"
      auth              = "SCRAM-SHA-512"
      secret_arn        = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_backup-a1b2c3"
    }
    bucket = { prefix = "kafka/production", storage_class = "STANDARD_IA" }
  }

  assert {
    condition = alltrue([
      output.environment["backup"].KAFKA_SECRET_ARN == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_backup-a1b2c3",
      output.environment["backup"].KAFKA_SECURITY_PROTOCOL == "SASL_SSL",
      output.environment["backup"].KAFKA_SASL_MECHANISM == "SCRAM-SHA-512",
      !contains(keys(output.environment["backup"]), "KAFKA_AUTH"),
      output.environment["backup"].STORAGE_PREFIX == "kafka/production",
      output.environment["backup"].S3_STORAGE_CLASS == "STANDARD_IA",
    ])
    error_message = "environment: ${jsonencode(output.environment["backup"])}"
  }
}

run "user_name_and_password_outside_msk" {
  variables {
    kafka = {
      bootstrap_servers = "broker.example.com:9092"
      auth              = "PLAIN"
      secret_arn        = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:api-key-a1b2c3"
    }
    restore_kafka = {
      bootstrap_servers = "other.example.com:9092"
      auth              = "SCRAM-SHA-256"
      secret_arn        = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:user-a1b2c3"
    }
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders-restored" }
  }

  assert {
    condition = jsonencode({ for role, environment in output.environment : role => { for key, value in environment : key => value if can(regex("AUTH|SECRET|SECURITY|SASL", key)) } }) == jsonencode({
      backup = {
        KAFKA_SASL_MECHANISM    = "PLAIN"
        KAFKA_SECRET_ARN        = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:api-key-a1b2c3"
        KAFKA_SECURITY_PROTOCOL = "SASL_SSL"
      }
      restore = {
        KAFKA_SASL_MECHANISM    = "SCRAM-SHA-256"
        KAFKA_SECRET_ARN        = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:user-a1b2c3"
        KAFKA_SECURITY_PROTOCOL = "SASL_SSL"
      }
    })
    error_message = "logins, over TLS: ${jsonencode(output.environment)}"
  }
  assert {
    condition     = strcontains(output.policies["backup"], "secret:api-key-a1b2c3") && strcontains(output.policies["restore"], "secret:user-a1b2c3")
    error_message = "each role reads its own secret"
  }
}

run "a_restore_on_four_shards" {
  variables {
    restore = {
      package_path    = "tests/package.zip", backup_topics = ["*"], restore_topic = "{topic}.restored", id = "all", as_of = "latest"
      shards          = 4, enabled = true, expression = "rate(15 minutes)"
      timeout_seconds = 900
    }
    alarms = { emails = ["oncall@example.com"], restore_minutes = 90 }
  }

  assert {
    condition     = jsonencode([for schedule in aws_scheduler_schedule.restore : jsondecode(schedule.target[0].input)]) == jsonencode([for shard in range(4) : { shard = shard, of = 4 }])
    error_message = "each shard has its share"
  }
  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.restore : schedule.state == "ENABLED" && schedule.schedule_expression == "rate(15 minutes)"]) && aws_lambda_function.this["restore"].reserved_concurrent_executions == 4
    error_message = "each shard has a schedule, and room to run"
  }
  assert {
    condition     = jsonencode(output.schedules) == jsonencode(["kb-backup-0", "kb-restore-0", "kb-restore-1", "kb-restore-2", "kb-restore-3"])
    error_message = "schedules: ${jsonencode(output.schedules)}"
  }
}

# One deployment restores a cluster. The number of resources does not grow with its topics.
run "fifty_topics_are_tens_of_resources" {
  variables {
    restore = {
      package_path   = "tests/package.zip", backup_topics = [for number in range(50) : "topic-${number}"], restore_topic = "{topic}.restored"
      exclude_topics = ["topic-49"], id = "fifty", as_of = "latest", finish = ["all"], shards = 4
    }
    msk_topic_patterns = ["*"]
  }

  assert {
    condition = sum([for made in [
      aws_lambda_function.this, aws_lambda_function_event_invoke_config.this, aws_cloudwatch_log_group.this, aws_iam_role.function, aws_iam_role_policy.function,
      aws_scheduler_schedule.backup, aws_scheduler_schedule.restore, aws_cloudwatch_metric_alarm.this, aws_cloudwatch_metric_alarm.lag_growing,
      aws_cloudwatch_metric_alarm.restore_stands_still, aws_sns_topic.alarms, aws_sns_topic_policy.alarms, aws_sns_topic_subscription.email,
    ] : length(made)]) < 40
    error_message = "tens of resources"
  }
  assert {
    condition     = length(split(",", output.environment["restore"].BACKUP_TOPIC_NAME)) == 50 && output.environment["restore"].RESTORE_EXCLUDE_TOPIC_NAMES == "topic-49" && output.environment["restore"].RESTORE_FINISH == "all"
    error_message = "selection, moment and finish are variables: ${jsonencode(output.environment["restore"])}"
  }
}

run "a_package_in_a_bucket" {
  command = plan
  variables {
    backup = { package_s3 = { bucket = "artifacts", key = "backup-batch-arm64.zip", version = "3sL4kqtJlcpXroDTDmJ" } }
  }

  assert {
    condition     = aws_lambda_function.this["backup"].s3_bucket == "artifacts" && aws_lambda_function.this["backup"].s3_key == "backup-batch-arm64.zip" && aws_lambda_function.this["backup"].s3_object_version == "3sL4kqtJlcpXroDTDmJ" && aws_lambda_function.this["backup"].filename == null
    error_message = "the package comes from the bucket, in this version"
  }
}

run "an_image" {
  command = plan
  variables {
    backup = { image_uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/kafka-backup@sha256:${join("", [for n in range(8) : "0123abcd"])}" }
  }

  assert {
    condition     = aws_lambda_function.this["backup"].package_type == "Image" && aws_lambda_function.this["backup"].image_uri == var.backup.image_uri && aws_lambda_function.this["backup"].runtime == null && aws_lambda_function.this["backup"].handler == null
    error_message = "an image brings its own runtime"
  }
}

run "a_package_that_is_not_there" {
  command = plan
  variables {
    backup = { package_path = "tests/nothing.zip" }
  }
  expect_failures = [aws_lambda_function.this]
}

run "an_image_that_is_signed" {
  command = plan
  variables {
    backup                  = { image_uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/kafka-backup@sha256:${join("", [for n in range(8) : "0123abcd"])}" }
    code_signing_config_arn = "arn:aws:lambda:eu-central-1:123456789012:code-signing-config:csc-0f6c334abcdea4d8b"
  }
  expect_failures = [aws_lambda_function.this]
}

run "limits" {
  variables {
    backup        = { package_path = "tests/package.zip", bytes_per_second = 10000000 }
    restore       = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "restored", bytes_per_second = 20000000, threads = 28 }
    restore_kafka = { bootstrap_servers = join(",", [for number in range(12) : "b-${number}.example.com:9094"]), auth = "TLS" }
  }

  assert {
    condition     = output.environment["backup"].BYTES_PER_SECOND == "10000000" && output.environment["restore"].BYTES_PER_SECOND == "20000000"
    error_message = "each function has its own limit"
  }
  assert {
    condition     = output.environment["restore"].NUMBER_OF_KAFKA_THREADS == "28"
    error_message = "28 partitions at the same time fit with 12 brokers"
  }
}
