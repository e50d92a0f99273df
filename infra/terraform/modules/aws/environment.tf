# The functions' environment: keys of the configuration and nothing else. A key whose value is null is not set, and has its default.

locals {
  # What must come from the secret: anyone who may look at a function can read its environment.
  secret_property = "password|passphrase|secret|key[.]pem|oauthbearer[.]config|jaas"

  # Properties that the program sets itself, with the values that say the same as it does; it refuses to start with others.
  fixed_properties = jsondecode(file("${path.module}/fixed-properties.json"))

  auth_properties = ["security.protocol", "sasl.mechanism", "sasl.mechanisms"]
  sasl_mechanisms = ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"]
  # The secret contains the login.
  secret_auths = concat(local.sasl_mechanisms, ["MTLS"])

  # As the program has them; tests compare them with it.
  internal_topics = ["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"]
  restore_checks  = ["retention", "timestamps", "compaction", "not-empty", "expired", "missing", "behind", "lost-progress", "group-offsets", "configs"]

  restore_kafka = var.restore_kafka == null ? var.kafka : var.restore_kafka
  restore_id    = var.restore == null ? null : coalesce(var.restore.id, local.default_restore_id, "@")

  # By cluster: that of the backup, that of the restore.
  kafka_environment = {
    for role, kafka in { backup = var.kafka, restore = local.restore_kafka } : role => merge(
      # KAFKA_FETCH_MAX_BYTES is librdkafka's fetch.max.bytes.
      { for property, value in kafka.properties : "KAFKA_${upper(replace(property, ".", "_"))}" => value },
      {
        BOOTSTRAP_SERVERS = kafka.bootstrap_servers
        KAFKA_AUTH        = kafka.auth == "MSK_IAM" ? "MSK_IAM" : null
        KAFKA_SECRET_ARN  = kafka.secret_arn
        KAFKA_CA_PEM      = kafka.ca_pem
        KAFKA_SECURITY_PROTOCOL = (
          kafka.auth == "MSK_IAM" ? null
          : contains(local.sasl_mechanisms, kafka.auth) ? "SASL_SSL"
          : contains(["TLS", "MTLS"], kafka.auth) ? "SSL" : "PLAINTEXT"
        )
        KAFKA_SASL_MECHANISM = contains(local.sasl_mechanisms, kafka.auth) ? kafka.auth : null
      },
    )
  }

  store_environment = {
    FILESYSTEM_TYPE   = "S3"
    BUCKET_NAME       = local.bucket_name
    STORAGE_PREFIX    = var.bucket.prefix == "" ? null : var.bucket.prefix
    S3_REGION         = local.region
    S3_SSE_KMS_KEY_ID = local.bucket_key_arn
    LOG_LEVEL         = var.log.level
  }

  backup_environment = { for key, value in merge(local.store_environment, local.kafka_environment.backup, {
    TOPIC_NAMES                       = local.topic_lists.topics
    EXCLUDE_TOPIC_NAMES               = length(var.exclude_topics) == 0 ? null : local.topic_lists.excluded
    GROUP_ID                          = var.group_id
    NUMBER_OF_MESSAGE_PER_BACKUP_FILE = tostring(var.backup.records_per_segment)
    RETRY_UPLOAD_SECONDS              = tostring(var.backup.retry_upload_seconds)
    NUMBER_OF_KAFKA_THREADS           = tostring(var.backup.threads)
    MAX_SEGMENTS_PER_INVOCATION       = tostring(var.backup.max_segments)
    ISOLATION_LEVEL                   = var.backup.isolation_level
    COMPRESSION                       = var.backup.compression
    S3_STORAGE_CLASS                  = var.bucket.storage_class
    SNAPSHOT_SECONDS                  = tostring(var.backup.snapshot_seconds)
    CONSUMER_GROUPS                   = local.all_groups ? null : local.group_lists.included
    EXCLUDE_CONSUMER_GROUPS           = length(var.backup.exclude_consumer_groups) == 0 ? null : local.group_lists.excluded
    KAFKA_CLIENT_RACK                 = try(var.network.zone_id, null) != null ? var.network.zone_id : lookup(var.kafka.properties, "client.rack", null)
    METRICS_MAX_TOPICS                = tostring(var.backup.metrics_max_topics)
  }) : key => value if value != null }

  restore_environment = var.restore == null ? {} : { for key, value in merge(local.store_environment, local.kafka_environment.restore, {
    BACKUP_TOPIC_NAME           = local.restored_list
    RESTORE_EXCLUDE_TOPIC_NAMES = length(local.not_restored) == 0 ? null : local.not_restored_list
    BACKUP_CLUSTER              = var.restore.backup_cluster
    BACKUP_PARTITIONS           = var.restore.partitions
    RESTORE_AS_OF               = var.restore.as_of
    RESTORE_TOPIC_NAME          = var.restore.restore_topic
    RESTORE_ID                  = local.restore_id
    RESTORE_PARTITION_STRATEGY  = var.restore.partition_strategy
    DELIVERY                    = var.restore.delivery
    NUMBER_OF_KAFKA_THREADS     = tostring(var.restore.threads)
    MAX_SEGMENTS_PER_INVOCATION = tostring(var.restore.max_segments)
    RESTORE_REPLICATION_FACTOR  = var.restore.replication_factor == null ? null : tostring(var.restore.replication_factor)
    RESTORE_GROUPS              = local.all_restored_groups ? null : local.restored_group_lists.included
    RESTORE_EXCLUDE_GROUPS      = length(var.restore.exclude_groups) == 0 ? null : local.restored_group_lists.excluded
    RESTORE_FINISH              = length(var.restore.finish) == 0 ? null : join(",", var.restore.finish)
    RESTORE_ANYWAY              = length(var.restore.anyway) == 0 ? null : join(",", var.restore.anyway)
    RESTORE_FROM                = var.restore.from
    RESTORE_UNTIL               = var.restore.until
    SKIP_DAMAGED                = var.restore.skip_damaged ? "true" : null
  }) : key => value if value != null }
}
