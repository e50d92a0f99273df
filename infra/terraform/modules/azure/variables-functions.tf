variable "backup" {
  description = <<-EOT
    The backup function.
    - enabled: false: no backup function. For a deployment that only restores, from storage.account_id. `topics` is then not required.
    - package_uri: https address from which the service downloads backup-batch-azure.zip, without a signature, and different for each version. null: you deploy the package by hand.
    - schedule: NCRONTAB with six fields, in UTC: {second} {minute} {hour} {day} {month} {day of week}.
    - shards: number of functions in the package, 1 to 100: 4 for a package of `infra/packages/zips shards 4`. Each runs a shard on the schedule. The alarm no-backup requires a successful run of each.
    - time_budget_seconds: time limit per invocation. The platform ends an invocation after 10 minutes (host.json).
    - instance_memory_mb: 512, 2048 or 4096. CPU scales with memory: 0.25, 1 or 2 cores.
    - max_segments: segments per invocation. 0: until caught up or out of time.
    - records_per_segment: records in a full segment (NUMBER_OF_MESSAGE_PER_BACKUP_FILE).
    - retry_upload_seconds: minimum age of a partly filled segment before it is uploaded (RETRY_UPLOAD_SECONDS).
    - threads: partitions that are processed at the same time (NUMBER_OF_KAFKA_THREADS).
    - bytes_per_second: limit of uncompressed record bytes that the process reads from Kafka per second. 0: no limit (BYTES_PER_SECOND).
    - isolation_level: read_committed or read_uncommitted (ISOLATION_LEVEL).
    - compression: gzip:1 to gzip:12, or zstd:1 to zstd:19 (COMPRESSION).
    - snapshot_seconds: interval of the snapshots of the cluster (topics, offsets, groups, configs, ACLs, users). 0: no snapshots (SNAPSHOT_SECONDS).
    - consumer_groups: consumer groups whose offsets are in snapshots: names, globs and regular expressions (CONSUMER_GROUPS).
    - exclude_consumer_groups: groups that snapshots skip, in the same syntax (EXCLUDE_CONSUMER_GROUPS).
  EOT
  type = object({
    enabled                 = optional(bool, true)
    package_uri             = optional(string)
    schedule                = optional(string, "0 */5 * * * *")
    shards                  = optional(number, 1)
    time_budget_seconds     = optional(number, 480)
    instance_memory_mb      = optional(number, 2048)
    max_segments            = optional(number, 0)
    records_per_segment     = optional(number, 100000)
    retry_upload_seconds    = optional(number, 300)
    threads                 = optional(number, 4)
    bytes_per_second        = optional(number, 0)
    isolation_level         = optional(string, "read_committed")
    compression             = optional(string, "gzip:3")
    snapshot_seconds        = optional(number, 300)
    consumer_groups         = optional(list(string), ["*"])
    exclude_consumer_groups = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.backup.package_uri == null ? true : can(regex("^https://[^/?#\\s]+/[^?#\\s]+[.]zip$", var.backup.package_uri))
    error_message = "backup.package_uri must be an https address of a zip, without a query. A signature in it would be stored in Terraform's state and plans."
  }
  validation {
    condition     = can(regex(local.ncrontab, var.backup.schedule))
    error_message = "backup.schedule must be an NCRONTAB expression with six fields, the first for seconds and Sunday as 0: \"0 */5 * * * *\"."
  }
  validation {
    condition     = var.backup.shards >= 1 && var.backup.shards <= 100 && floor(var.backup.shards) == var.backup.shards
    error_message = "backup.shards must be a whole number from 1 to 100."
  }
  validation {
    condition     = var.backup.time_budget_seconds >= 30 && var.backup.time_budget_seconds <= 540 && floor(var.backup.time_budget_seconds) == var.backup.time_budget_seconds
    error_message = "backup.time_budget_seconds must be a whole number from 30 to 540, because the platform ends an invocation after 600 seconds."
  }
  validation {
    condition     = contains([512, 2048, 4096], var.backup.instance_memory_mb)
    error_message = "backup.instance_memory_mb must be 512, 2048 or 4096."
  }
  validation {
    condition     = var.backup.max_segments >= 0 && floor(var.backup.max_segments) == var.backup.max_segments
    error_message = "backup.max_segments must be a whole number, 0 or more."
  }
  validation {
    condition     = var.backup.records_per_segment >= 1 && floor(var.backup.records_per_segment) == var.backup.records_per_segment
    error_message = "backup.records_per_segment must be a whole number, 1 or more."
  }
  validation {
    condition     = var.backup.threads >= 1 && var.backup.threads <= 1000 && floor(var.backup.threads) == var.backup.threads
    error_message = "backup.threads must be a whole number from 1 to 1000."
  }
  validation {
    condition     = var.backup.bytes_per_second >= 0 && floor(var.backup.bytes_per_second) == var.backup.bytes_per_second
    error_message = "backup.bytes_per_second must be a whole number, 0 (no limit) or more."
  }
  validation {
    condition     = var.backup.retry_upload_seconds >= 0 && floor(var.backup.retry_upload_seconds) == var.backup.retry_upload_seconds
    error_message = "backup.retry_upload_seconds must be a whole number, 0 or more."
  }
  validation {
    condition     = contains(["read_committed", "read_uncommitted"], var.backup.isolation_level)
    error_message = "backup.isolation_level must be read_committed or read_uncommitted."
  }
  validation {
    condition     = can(regex("^(gzip:([1-9]|1[0-2])|zstd:([1-9]|1[0-9]))$", var.backup.compression))
    error_message = "backup.compression must be gzip:1 to gzip:12, or zstd:1 to zstd:19."
  }
  validation {
    condition     = var.backup.snapshot_seconds >= 0 && var.backup.snapshot_seconds <= 86400 && floor(var.backup.snapshot_seconds) == var.backup.snapshot_seconds
    error_message = "backup.snapshot_seconds must be a whole number from 0 (no snapshots) to 86400."
  }
  validation {
    condition     = length(var.backup.consumer_groups) > 0
    error_message = "backup.consumer_groups must contain at least one group; use [\"*\"] for all groups."
  }
  validation {
    condition = alltrue([
      for entry in concat(var.backup.consumer_groups, var.backup.exclude_consumer_groups) : entry == trimspace(entry) && entry != "" && !can(regex("[[:cntrl:]]", entry))
    ])
    error_message = "backup.consumer_groups and exclude_consumer_groups must contain names of groups, globs and regular expressions, without control characters and without space at either end."
  }
  validation {
    condition = alltrue([
      for entry in concat(var.backup.consumer_groups, var.backup.exclude_consumer_groups) : startswith(entry, "^") ? can(regexall(entry, "")) && !can(regex(local.unknown_class, entry)) : true
    ])
    error_message = "backup.consumer_groups and exclude_consumer_groups have an entry that begins with ^ and is not a regular expression that the program supports. Correct it; classes such as \\p{L} and quoting (\\Q) are not supported."
  }
  validation {
    condition     = alltrue([for entries in [var.backup.consumer_groups, var.backup.exclude_consumer_groups] : length(distinct(entries)) == length(entries)])
    error_message = "backup.consumer_groups or exclude_consumer_groups contains a group twice."
  }
  validation {
    condition     = length(setintersection(var.backup.consumer_groups, var.backup.exclude_consumer_groups)) == 0
    error_message = "backup.exclude_consumer_groups excludes a group that backup.consumer_groups contains. Remove it from one of the two."
  }
}

variable "restore" {
  description = <<-EOT
    The restore function. null (the default): no restore function, so nothing in this deployment can write to Kafka.
    - backup_topics: topics in the container, in the syntax of `topics`. orders is the newest generation, orders@1 the first (BACKUP_TOPIC_NAME).
    - restore_topic: target topic. {topic} is replaced by the name of the original, and is required for several topics (RESTORE_TOPIC_NAME).
    - exclude_topics: topics that are skipped although a pattern of backup_topics matches them (RESTORE_EXCLUDE_TOPIC_NAMES).
    - backup_cluster: id of the source cluster, if the container has backups of several clusters (BACKUP_CLUSTER).
    - partitions: partitions of a single topic: 0,4-7 (BACKUP_PARTITIONS).
    - as_of: latest, or a time. The restore uses the newest snapshot that is not later (RESTORE_AS_OF).
    - package_uri: as in backup, for restore-batch-azure.zip.
    - schedule, time_budget_seconds, instance_memory_mb, max_segments: as in backup.
    - kafka: target cluster, in the form of the variable kafka. null: the source cluster.
    - id: name of the restore in the container and in Kafka (RESTORE_ID). A new id starts from the beginning; the same id continues. null: BACKUP-to-RESTORE for one whole topic, otherwise generated by the program.
    - from: start of the time range, inclusive, by record timestamp: 2026-11-27T14:00:00Z or 2026-11-27T15:00:00+01:00 (RESTORE_FROM).
    - until: end of the time range, exclusive, in the same format (RESTORE_UNTIL).
    - partition_strategy: same, random or key (RESTORE_PARTITION_STRATEGY).
    - delivery: exactly-once or at-least-once (DELIVERY).
    - threads: source partitions that are restored at the same time (NUMBER_OF_KAFKA_THREADS). Threads and open files of a process limit it: 64 with 3 brokers, 28 with 12. The plan counts the bootstrap servers, which is a lower bound of the number of brokers.
    - bytes_per_second: limit of uncompressed record bytes that the process writes to Kafka per second. 0: no limit (BYTES_PER_SECOND).
    - replication_factor: replication factor of topics that the restore creates (RESTORE_REPLICATION_FACTOR). null: that of the original, limited by the number of brokers.
    - groups: consumer groups whose offsets `finish` sets: names, globs and regular expressions (RESTORE_GROUPS).
    - exclude_groups: groups that finish skips, in the same syntax (RESTORE_EXCLUDE_GROUPS).
    - finish: steps after the last record: groups, configs, acls, or all (RESTORE_FINISH). Additional ACLs of the Kafka user: groups requires Read and Describe on the groups, and Read on the topics. configs requires AlterConfigs and DescribeConfigs on the topics, and DescribeConfigs on the cluster. acls requires Alter and Describe on the cluster.
    - anyway: checks that only warn (RESTORE_ANYWAY). Of the target: retention, timestamps, compaction, not-empty. Of the backup: expired, missing, behind, lost-progress. Of finish: retention, group-offsets, configs.
    - skip_damaged: skip damaged or missing segments, and record what was skipped (SKIP_DAMAGED).
  EOT
  type = object({
    backup_topics       = list(string)
    restore_topic       = string
    exclude_topics      = optional(list(string), [])
    backup_cluster      = optional(string)
    partitions          = optional(string)
    as_of               = optional(string)
    package_uri         = optional(string)
    schedule            = optional(string, "0 * * * * *")
    time_budget_seconds = optional(number, 480)
    instance_memory_mb  = optional(number, 2048)
    max_segments        = optional(number, 0)
    kafka = optional(object({
      bootstrap_servers = string
      properties        = optional(map(string), {})
      secrets           = optional(map(string), {})
    }))
    id                 = optional(string)
    from               = optional(string)
    until              = optional(string)
    partition_strategy = optional(string, "same")
    delivery           = optional(string, "exactly-once")
    threads            = optional(number, 4)
    bytes_per_second   = optional(number, 0)
    replication_factor = optional(number)
    groups             = optional(list(string), ["*"])
    exclude_groups     = optional(list(string), [])
    finish             = optional(set(string), [])
    anyway             = optional(set(string), [])
    skip_damaged       = optional(bool, false)
  })
  default = null

  validation {
    condition = var.restore == null ? true : length(var.restore.backup_topics) > 0 && alltrue([
      for entry in var.restore.backup_topics :
      startswith(entry, "^") ? can(regex(local.legal_entry, entry)) && can(regexall(entry, "")) && !can(regex(local.unknown_class, entry))
      : (can(regex("^[a-zA-Z0-9._-]{1,249}(@[1-9][0-9]*)?$", entry)) || can(regex(local.legal_entry, entry))) && !contains(concat([".", ".."], local.internal_topics), split("@", entry)[0]) && (can(regex("[*?]", entry)) || !endswith(trimsuffix(entry, "@1"), "."))
    ])
    error_message = "restore.backup_topics must contain names of topics, or of their generations (orders@1 is the first), globs, and regular expressions of whole names, which begin with ^. A name must not end with a dot, which Azure removes."
  }
  validation {
    condition     = var.restore == null ? true : length(distinct([for entry in var.restore.backup_topics : startswith(entry, "^") ? entry : split("@", entry)[0]])) == length(var.restore.backup_topics)
    error_message = "restore.backup_topics contains a topic twice. Two generations of a topic would be restored into the same target."
  }
  validation {
    condition     = var.restore == null ? true : alltrue([for entry in var.restore.exclude_topics : can(regex(local.legal_entry, entry)) && (startswith(entry, "^") ? can(regexall(entry, "")) && !can(regex(local.unknown_class, entry)) : true)])
    error_message = "restore.exclude_topics must contain names of topics, globs, and regular expressions of whole names, which begin with ^."
  }
  validation {
    condition     = var.restore == null ? true : alltrue([for target in [for entry in var.restore.backup_topics : replace(var.restore.restore_topic, "{topic}", startswith(entry, "^") ? "x" : replace(split("@", entry)[0], "/[*?]/", "x"))] : can(regex("^[a-zA-Z0-9._-]{1,249}$", target)) && !contains(concat([".", ".."], local.internal_topics), target)])
    error_message = "restore.restore_topic must have 1 to 249 letters, digits, dots, underscores and hyphens, and not be an internal topic of Kafka. {topic} is replaced by the name of the original."
  }
  validation {
    condition     = var.restore == null ? true : (length(var.restore.backup_topics) == 1 && !can(regex("^\\^|[*?]", join("", var.restore.backup_topics)))) || strcontains(var.restore.restore_topic, "{topic}")
    error_message = "restore.restore_topic must contain {topic} when backup_topics has several topics. Otherwise all of them would be restored into the same one."
  }
  validation {
    condition     = try(var.restore.partitions, null) == null ? true : length(var.restore.backup_topics) == 1 && !can(regex("^\\^|[*?]", join("", var.restore.backup_topics))) && can(regex("^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$", var.restore.partitions))
    error_message = "restore.partitions requires a single topic in backup_topics, given by its name. Write numbers and ranges: 0,4-7."
  }
  validation {
    condition     = try(var.restore.as_of, null) == null ? true : var.restore.as_of == "latest" || can(timecmp(var.restore.as_of, var.restore.as_of))
    error_message = "restore.as_of must be latest, or a time with its offset from UTC: 2026-11-27T14:00:00Z or 2026-11-27T15:00:00+01:00."
  }
  validation {
    condition     = try(var.restore.as_of, null) == null ? true : !strcontains(join("", [for entry in var.restore.backup_topics : entry if !startswith(entry, "^")]), "@")
    error_message = "restore.as_of restores the generation of that time, so backup_topics must have names without a number (orders and not orders@1)."
  }
  validation {
    condition     = try(var.restore.package_uri, null) == null ? true : can(regex("^https://[^/?#\\s]+/[^?#\\s]+[.]zip$", var.restore.package_uri))
    error_message = "restore.package_uri must be an https address of a zip, without a query. A signature in it would be stored in Terraform's state and plans."
  }
  validation {
    condition     = try(var.restore.backup_cluster, null) == null ? true : trimspace(var.restore.backup_cluster) != ""
    error_message = "restore.backup_cluster must be the id of a cluster, or null."
  }
  validation {
    # Backing up the topic that is being restored would fill the container with copies of itself, and a same-named target doubles its records.
    condition = var.restore == null ? true : var.restore.kafka != null || alltrue([
      for target in concat([for entry in var.restore.backup_topics : replace(var.restore.restore_topic, "{topic}", startswith(entry, "^") ? "x" : replace(split("@", entry)[0], "/[*?]/", "x"))], flatten([
        for entry in var.restore.backup_topics : [
          for name in var.topics : replace(var.restore.restore_topic, "{topic}", name)
          if can(regex(startswith(entry, "^") ? "^(?:${entry})$" : "^${replace(replace(replace(entry, ".", "[.]"), "?", "."), "*", ".*")}$", name))
        ]
      ])) :
      !(contains(var.topics, target) || !startswith(target, "__") && anytrue([for pattern in local.whole_names.topics : can(regex(pattern, target))]))
      || contains(var.exclude_topics, target) || anytrue([for pattern in local.whole_names.excluded : can(regex(pattern, target)) if !startswith(target, "__")])
    ])
    error_message = "restore.restore_topic is a topic that this deployment backs up, so restored records would be backed up again. Choose another name, or another cluster in restore.kafka. If a pattern matches it, add it to exclude_topics."
  }
  validation {
    condition     = var.restore == null ? true : can(regex(local.ncrontab, var.restore.schedule))
    error_message = "restore.schedule must be an NCRONTAB expression with six fields, the first for seconds and Sunday as 0: \"0 * * * * *\"."
  }
  validation {
    condition     = var.restore == null ? true : var.restore.time_budget_seconds >= 30 && var.restore.time_budget_seconds <= 540 && floor(var.restore.time_budget_seconds) == var.restore.time_budget_seconds
    error_message = "restore.time_budget_seconds must be a whole number from 30 to 540, because the platform ends an invocation after 600 seconds."
  }
  validation {
    condition     = var.restore == null ? true : contains([512, 2048, 4096], var.restore.instance_memory_mb)
    error_message = "restore.instance_memory_mb must be 512, 2048 or 4096."
  }
  validation {
    condition     = var.restore == null ? true : var.restore.max_segments >= 0 && floor(var.restore.max_segments) == var.restore.max_segments
    error_message = "restore.max_segments must be a whole number, 0 or more."
  }
  validation {
    condition     = var.restore == null ? true : var.restore.threads >= 1 && var.restore.threads <= 1000 && floor(var.restore.threads) == var.restore.threads
    error_message = "restore.threads must be a whole number from 1 to 1000."
  }
  validation {
    # Each partition that is written has its own client. The program has the same limits, and lowers a larger number with a warning.
    condition = var.restore == null ? true : var.restore.threads <= min([
      for brokers in [length(distinct([for server in split(",", coalesce(var.restore.kafka, var.kafka).bootstrap_servers) : split(":", trimspace(server))[0]]))] :
      min(floor(600 / (brokers + 3)), floor(900 / (2 * brokers + 8)))
    ]...)
    error_message = "restore.threads is too many for the number of brokers: each partition has a client with threads and files for each broker. (The cluster has at least as many brokers as bootstrap_servers.) Set it to 64 or less with 3 brokers, 28 or less with 12."
  }
  validation {
    condition     = var.restore == null ? true : var.restore.bytes_per_second >= 0 && floor(var.restore.bytes_per_second) == var.restore.bytes_per_second
    error_message = "restore.bytes_per_second must be a whole number, 0 (no limit) or more."
  }
  validation {
    condition     = try(var.restore.replication_factor, null) == null ? true : var.restore.replication_factor >= 1 && floor(var.restore.replication_factor) == var.restore.replication_factor
    error_message = "restore.replication_factor must be a whole number, 1 or more."
  }
  validation {
    condition     = var.restore == null ? true : can(regex("^[a-zA-Z0-9_-]$|^[a-zA-Z0-9._-][a-zA-Z0-9._@-]{0,198}[a-zA-Z0-9_@-]$", coalesce(var.restore.id, (length(var.restore.backup_topics) == 1 && !can(regex("^\\^|[*?]", join("", var.restore.backup_topics)))) && var.restore.as_of == null && var.restore.partitions == null ? "${join("", var.restore.backup_topics)}-to-${replace(var.restore.restore_topic, "{topic}", split("@", join("", var.restore.backup_topics))[0])}" : "made-by-the-program")))
    error_message = "restore.id must have 1 to 200 letters, digits and the signs . _ @ -, not begin with @, and not end with a dot, which Azure removes. It is required if BACKUP-to-RESTORE does not fit these rules."
  }
  validation {
    condition     = alltrue([for at in [try(var.restore.from, null), try(var.restore.until, null)] : at == null || can(timecmp(at, at))])
    error_message = "restore.from and restore.until must be times with their offset from UTC: 2026-11-27T14:00:00Z or 2026-11-27T15:00:00+01:00."
  }
  validation {
    condition     = try(timecmp(var.restore.from, var.restore.until) < 0, true)
    error_message = "restore.until must be later than restore.from. Otherwise the time range is empty."
  }
  validation {
    condition     = var.restore == null ? true : contains(["exactly-once", "at-least-once"], var.restore.delivery)
    error_message = "restore.delivery must be exactly-once or at-least-once."
  }
  validation {
    condition     = var.restore == null ? true : contains(["same", "random", "key"], var.restore.partition_strategy)
    error_message = "restore.partition_strategy must be same, random or key."
  }
  validation {
    condition     = var.restore == null ? true : length(var.restore.groups) > 0
    error_message = "restore.groups must contain at least one group; use [\"*\"] for all groups."
  }
  validation {
    condition = var.restore == null ? true : alltrue([
      for entry in concat(var.restore.groups, var.restore.exclude_groups) : entry == trimspace(entry) && entry != "" && !can(regex("[[:cntrl:]]", entry))
    ])
    error_message = "restore.groups and exclude_groups must contain names of groups, globs and regular expressions, without control characters and without space at either end."
  }
  validation {
    condition = var.restore == null ? true : alltrue([
      for entry in concat(var.restore.groups, var.restore.exclude_groups) : startswith(entry, "^") ? can(regexall(entry, "")) && !can(regex(local.unknown_class, entry)) : true
    ])
    error_message = "restore.groups and exclude_groups have an entry that begins with ^ and is not a regular expression that the program supports. Correct it; classes such as \\p{L} and quoting (\\Q) are not supported."
  }
  validation {
    condition     = var.restore == null ? true : alltrue([for entries in [var.restore.groups, var.restore.exclude_groups] : length(distinct(entries)) == length(entries)])
    error_message = "restore.groups or exclude_groups contains a group twice."
  }
  validation {
    condition     = var.restore == null ? true : length(setintersection(var.restore.groups, var.restore.exclude_groups)) == 0
    error_message = "restore.exclude_groups excludes a group that restore.groups contains. Remove it from one of the two."
  }
  validation {
    condition     = var.restore == null ? true : length(setsubtract(var.restore.finish, ["groups", "configs", "acls", "all"])) == 0
    error_message = "restore.finish must contain only groups, configs, acls or all."
  }
  validation {
    condition     = try(length(var.restore.finish), 0) == 0 ? true : var.restore.as_of != null || length(var.restore.backup_topics) > 1 || can(regex("^\\^|[*?]", join("", var.restore.backup_topics)))
    error_message = "restore.finish requires a restore with an end. Set as_of, or restore several topics. A restore of one topic without as_of follows its backup, so finish never begins."
  }
  validation {
    condition     = length(setintersection(try(var.restore.finish, []), ["groups", "all"])) == 0 ? true : var.restore.partition_strategy == "same" && var.restore.from == null && var.restore.until == null
    error_message = "restore.finish cannot set the offsets of groups with partition_strategy random or key, or with from or until. Remove those, or set finish to configs and acls only."
  }
  validation {
    condition     = var.restore == null ? true : length(setsubtract(var.restore.anyway, local.restore_checks)) == 0
    error_message = "restore.anyway must contain only ${join(", ", local.restore_checks)}."
  }
  validation {
    condition = try(var.restore.kafka, null) == null ? true : alltrue([
      for server in split(",", var.restore.kafka.bootstrap_servers) : can(regex("^[^:/\\s]+:[0-9]{1,5}$", trimspace(server)))
    ])
    error_message = "restore.kafka.bootstrap_servers must be host:port, comma-separated, without a scheme."
  }
  validation {
    condition = try(var.restore.kafka, null) == null ? true : alltrue(concat(
      [for name in concat(keys(var.restore.kafka.properties), keys(var.restore.kafka.secrets)) : can(regex("^[a-z0-9]+(\\.[a-z0-9]+)*$", name))],
      [for name in values(var.restore.kafka.secrets) : can(regex("^[0-9A-Za-z-]{1,127}$", name))],
    ))
    error_message = "restore.kafka.properties and restore.kafka.secrets must contain librdkafka's property names, such as security.protocol. secrets maps them to names of Key Vault secrets."
  }
  validation {
    condition = try(var.restore.kafka, null) == null ? true : !anytrue([
      for name in keys(var.restore.kafka.properties) : can(regex(local.secret_property, name)) || contains(keys(var.restore.kafka.secrets), name)
    ])
    error_message = "restore.kafka.properties must not contain a password or private key, and a property can be in only one of properties and secrets. Put it into Key Vault, and set its name in restore.kafka.secrets."
  }
  validation {
    condition     = try(var.restore.kafka, null) == null ? true : alltrue([for name, value in var.restore.kafka.properties : contains(try(local.fixed_properties[name], [lower(value)]), lower(value))])
    error_message = "restore.kafka.properties contains properties that the program sets itself, so it would not start: ${join(", ", [for name, value in try(var.restore.kafka.properties, {}) : name if !contains(try(local.fixed_properties[name], [lower(value)]), lower(value))])}. Remove them."
  }
  validation {
    condition     = length(setintersection(try(keys(var.restore.kafka.secrets), []), keys(local.fixed_properties))) == 0
    error_message = "restore.kafka.secrets contains properties that the program sets itself. Remove them: ${join(", ", setintersection(try(keys(var.restore.kafka.secrets), []), keys(local.fixed_properties)))}."
  }
}

variable "log_level" {
  description = "LOG_LEVEL of both functions: DEBUG or INFO. The alarms use the reports, which are logged at INFO."
  type        = string
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["DEBUG", "INFO"], var.log_level)
    error_message = "log_level must be DEBUG or INFO: above INFO the reports, which the alarms need, are not logged."
  }
}
