variable "name" {
  description = "Prefix of the names of all resources: functions, roles, queue, alarms. Each deployment in an account needs its own."
  type        = string
  default     = "kafka-backup"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}[a-z0-9]$", var.name))
    error_message = "name must be 2 to 32 lower-case letters, digits and hyphens, starting with a letter and not ending with a hyphen."
  }
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "topics" {
  description = "Topics to back up: names, globs (payments-*) and regular expressions of whole names (^orders-[0-9]+), evaluated again in each run (TOPIC_NAMES). Patterns cannot be combined with bucket.expire_days."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.topics) > 0
    error_message = "topics must contain at least one topic."
  }
  validation {
    condition     = alltrue([for entry in var.topics : can(regex(local.legal_entry, entry)) && !contains([".", ".."], entry)])
    error_message = "topics must contain names of topics (1 to 249 letters, digits, dots, underscores and hyphens), globs (the same with * and ?), and regular expressions of whole names, which begin with ^ and contain no space."
  }
  validation {
    condition     = alltrue([for entry in var.topics : startswith(entry, "^") ? can(regexall(entry, "")) && !can(regex(local.unknown_class, entry)) : true])
    error_message = "topics has entries that are not regular expressions: ${join(", ", [for entry in var.topics : entry if startswith(entry, "^") ? !can(regexall(entry, "")) || can(regex(local.unknown_class, entry)) : false])}. Correct them; the program supports no classes such as \\p{L} and no quoting (\\Q)."
  }
  validation {
    condition     = length(distinct(var.topics)) == length(var.topics)
    error_message = "topics contains a topic twice."
  }
  validation {
    condition     = length(setintersection(var.topics, local.internal_topics)) == 0
    error_message = "Kafka's internal topics are not backed up: their content is valid only in their own cluster. Remove them from topics."
  }
}

variable "exclude_topics" {
  description = "Topics that are skipped although a pattern of `topics` matches them, in the same syntax (EXCLUDE_TOPIC_NAMES)."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for entry in var.exclude_topics : can(regex(local.legal_entry, entry)) && !contains([".", ".."], entry)])
    error_message = "exclude_topics must contain names of topics (1 to 249 letters, digits, dots, underscores and hyphens), globs (the same with * and ?), and regular expressions of whole names, which begin with ^ and contain no space."
  }
  validation {
    condition     = alltrue([for entry in var.exclude_topics : startswith(entry, "^") ? can(regexall(entry, "")) && !can(regex(local.unknown_class, entry)) : true])
    error_message = "exclude_topics has entries that are not regular expressions: ${join(", ", [for entry in var.exclude_topics : entry if startswith(entry, "^") ? !can(regexall(entry, "")) || can(regex(local.unknown_class, entry)) : false])}. Correct them; the program supports no classes such as \\p{L} and no quoting (\\Q)."
  }
  validation {
    condition     = length(distinct(var.exclude_topics)) == length(var.exclude_topics)
    error_message = "exclude_topics contains a topic twice."
  }
  validation {
    condition     = length(setintersection(var.exclude_topics, local.internal_topics)) == 0
    error_message = "Kafka's internal topics are never backed up, even where a pattern matches them. Remove them from exclude_topics."
  }
  validation {
    condition = !anytrue([
      for pair in setproduct(var.exclude_topics, local.topic_names) : pair[0] == pair[1] || !startswith(pair[1], "__") && can(regex(
        startswith(pair[0], "^") ? "^(?:${pair[0]})$" : "^${replace(replace(replace(pair[0], ".", "[.]"), "?", "."), "*", ".*")}$", pair[1]
      ))
    ])
    error_message = "exclude_topics excludes a topic that topics contains (${join(", ", local.topic_names)}). Remove it from one of the two."
  }
}

variable "group_id" {
  description = "Consumer group whose committed offsets are the progress of the backup (GROUP_ID). No other program may use it."
  type        = string
  default     = "kafka-backup"
  nullable    = false

  validation {
    condition     = can(regex("^[^*?]{1,255}$", var.group_id))
    error_message = "group_id must have 1 to 255 characters, none of them * or ?."
  }
}

variable "backup" {
  description = <<-EOT
    The function that backs up topics to the bucket.
    - package_path: zip with the program as `bootstrap`, built for `architecture`. Set one of package_path, package_s3 and image_uri.
    - package_s3: the same zip as a version of an object in a bucket of this region.
    - image_uri: container image in ECR in this region, by digest, with the program as its entry point.
    - memory_mb: 256 to 10240. CPU scales with memory: 1769 MB is one core.
    - timeout_seconds: 30 to 900. The sum of timeout_seconds and schedule.window_minutes must fit between two starts.
    - records_per_segment: records in a full segment (NUMBER_OF_MESSAGE_PER_BACKUP_FILE).
    - retry_upload_seconds: minimum age of a partly filled segment before it is uploaded (RETRY_UPLOAD_SECONDS).
    - threads: partitions that are processed at the same time, 1 to 64 (NUMBER_OF_KAFKA_THREADS).
    - bytes_per_second: limit of uncompressed record bytes that one process reads from Kafka per second. Each shard has its own limit. 0: no limit (BYTES_PER_SECOND).
    - max_segments: segments per invocation. 0: until caught up or out of time (MAX_SEGMENTS_PER_INVOCATION).
    - isolation_level: read_committed or read_uncommitted (ISOLATION_LEVEL).
    - compression: gzip:1 to gzip:12, or zstd:1 to zstd:19 (COMPRESSION).
    - snapshot_seconds: interval of the snapshots of the cluster (topics, offsets, groups, configs, ACLs, users). 0: no snapshots (SNAPSHOT_SECONDS).
    - consumer_groups: consumer groups whose offsets are in snapshots: names, globs and regular expressions (CONSUMER_GROUPS).
    - exclude_consumer_groups: groups that snapshots skip, in the same syntax (EXCLUDE_CONSUMER_GROUPS).
    - metrics_max_topics: topics with nine CloudWatch metrics of their own, $2.70 a month each. Topics with errors or gaps come first, then those with the largest lag. 0: only the totals, which the alarms use (METRICS_MAX_TOPICS).
  EOT
  type = object({
    package_path            = optional(string)
    package_s3              = optional(object({ bucket = string, key = string, version = string }))
    image_uri               = optional(string)
    memory_mb               = optional(number, 1769)
    timeout_seconds         = optional(number, 240)
    records_per_segment     = optional(number, 100000)
    retry_upload_seconds    = optional(number, 300)
    threads                 = optional(number, 4)
    bytes_per_second        = optional(number, 0)
    max_segments            = optional(number, 0)
    isolation_level         = optional(string, "read_committed")
    compression             = optional(string, "gzip:3")
    snapshot_seconds        = optional(number, 300)
    consumer_groups         = optional(list(string), ["*"])
    exclude_consumer_groups = optional(list(string), [])
    metrics_max_topics      = optional(number, 0)
  })
  nullable = false

  validation {
    condition     = length([for given in [var.backup.package_path, var.backup.package_s3, var.backup.image_uri] : given if given != null]) == 1
    error_message = "backup requires exactly one of package_path, package_s3 and image_uri."
  }
  validation {
    condition     = try(var.backup.image_uri, null) == null ? true : can(regex("^[0-9]{12}[.]dkr[.]ecr[.][a-z0-9-]+[.]amazonaws[.]com([.]cn)?/[^@:]+(:[^@]+)?@sha256:[0-9a-f]{64}$", var.backup.image_uri))
    error_message = "backup.image_uri must be an image in ECR by digest: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:… A tag can be moved to another image."
  }
  validation {
    condition     = var.backup.memory_mb >= 256 && var.backup.memory_mb <= 10240 && floor(var.backup.memory_mb) == var.backup.memory_mb
    error_message = "backup.memory_mb must be a whole number from 256 to 10240."
  }
  validation {
    condition     = var.backup.timeout_seconds >= 30 && var.backup.timeout_seconds <= 900 && floor(var.backup.timeout_seconds) == var.backup.timeout_seconds
    error_message = "backup.timeout_seconds must be a whole number from 30 to 900."
  }
  validation {
    condition     = try(var.backup.timeout_seconds + 60 * var.schedule.window_minutes <= local.schedule_seconds, true)
    error_message = "The sum of backup.timeout_seconds and schedule.window_minutes must not exceed the time between two starts. Otherwise runs of a shard would overlap."
  }
  validation {
    condition     = var.backup.records_per_segment >= 1 && floor(var.backup.records_per_segment) == var.backup.records_per_segment
    error_message = "backup.records_per_segment must be a whole number, at least 1."
  }
  validation {
    condition     = var.backup.retry_upload_seconds >= 0 && floor(var.backup.retry_upload_seconds) == var.backup.retry_upload_seconds
    error_message = "backup.retry_upload_seconds must be a whole number, 0 or more."
  }
  validation {
    condition     = var.backup.threads >= 1 && var.backup.threads <= 64 && floor(var.backup.threads) == var.backup.threads
    error_message = "backup.threads must be a whole number from 1 to 64."
  }
  validation {
    condition     = var.backup.bytes_per_second >= 0 && floor(var.backup.bytes_per_second) == var.backup.bytes_per_second
    error_message = "backup.bytes_per_second must be a whole number, 0 (no limit) or more."
  }
  validation {
    condition     = var.backup.max_segments >= 0 && floor(var.backup.max_segments) == var.backup.max_segments
    error_message = "backup.max_segments must be a whole number, 0 or more."
  }
  validation {
    condition     = contains(["read_committed", "read_uncommitted"], var.backup.isolation_level)
    error_message = "backup.isolation_level must be read_committed or read_uncommitted."
  }
  validation {
    condition     = can(regex("^(gzip:([1-9]|1[0-2])|zstd:([1-9]|1[0-9]))$", var.backup.compression))
    error_message = "backup.compression must be gzip:1 to gzip:12 or zstd:1 to zstd:19."
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
  validation {
    condition     = var.backup.metrics_max_topics >= 0 && var.backup.metrics_max_topics <= 1000 && floor(var.backup.metrics_max_topics) == var.backup.metrics_max_topics
    error_message = "backup.metrics_max_topics must be a whole number from 0 to 1000."
  }
}

variable "schedule" {
  description = <<-EOT
    When the backup runs, and with how many shards.
    - expression: rate(…) or cron(…) of EventBridge Scheduler.
    - timezone: time zone of a cron expression.
    - shards: 1 to 100. Each shard has a schedule and one invocation at a time. Partitions are distributed over the shards.
    - window_minutes: time window for the start of an invocation, so that shards do not start at the same time. 0: start on time.
    - enabled: false stops the backup and the alarms that watch for missing runs.
  EOT
  type = object({
    expression     = optional(string, "rate(5 minutes)")
    timezone       = optional(string, "UTC")
    shards         = optional(number, 1)
    window_minutes = optional(number, 1)
    enabled        = optional(bool, true)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^(rate\\([1-9][0-9]* (minutes?|hours?|days?)\\)|cron\\([^()]+\\))$", var.schedule.expression))
    error_message = "schedule.expression must look like rate(5 minutes) or cron(0 3 * * ? *)."
  }
  validation {
    condition     = var.schedule.shards >= 1 && var.schedule.shards <= 100 && floor(var.schedule.shards) == var.schedule.shards
    error_message = "schedule.shards must be a whole number from 1 to 100."
  }
  validation {
    condition     = var.schedule.window_minutes >= 0 && var.schedule.window_minutes <= 1440 && floor(var.schedule.window_minutes) == var.schedule.window_minutes
    error_message = "schedule.window_minutes must be a whole number from 0 to 1440."
  }
}

variable "restore" {
  description = <<-EOT
    The function that restores topics. null: no restore function, so nothing in this deployment can write to Kafka.
    - package_path: zip with the program as `bootstrap`, built for `architecture`. Set one of package_path, package_s3 and image_uri.
    - package_s3: the same zip as a version of an object in a bucket of this region.
    - image_uri: container image in ECR in this region, by digest, with the program as its entry point.
    - backup_topics: topics in the bucket, in the syntax of `topics`. orders is the newest generation, orders@1 the first (BACKUP_TOPIC_NAME).
    - restore_topic: target topic, created like the original if it does not exist. {topic} is replaced by the name of the original, and is required for several topics (RESTORE_TOPIC_NAME).
    - exclude_topics: topics that are skipped although a pattern of backup_topics matches them (RESTORE_EXCLUDE_TOPIC_NAMES).
    - backup_cluster: id of the source cluster, if the bucket has backups of several clusters (BACKUP_CLUSTER).
    - partitions: partitions of a single topic: 0,4-7 (BACKUP_PARTITIONS).
    - as_of: latest, or a time. The restore uses the newest snapshot that is not later (RESTORE_AS_OF).
    - id: name of the restore in the bucket and in Kafka. A new id starts from the beginning (RESTORE_ID). Default: BACKUP-to-RESTORE for one whole topic. Otherwise required.
    - from: start of the time range, inclusive, by record timestamp: 2026-11-27T14:00:00Z or 2026-11-27T15:00:00+01:00 (RESTORE_FROM).
    - until: end of the time range, exclusive, in the same format (RESTORE_UNTIL).
    - enabled: true runs it on its schedule. false: it runs only when you invoke it.
    - shards: 1 to 100. Each shard has a schedule and one invocation at a time. Source partitions are distributed over the shards.
    - expression: rate(…) of its schedule. After the restore has finished, a run does nothing.
    - memory_mb: 256 to 10240.
    - timeout_seconds: 30 to 900. Must fit between two starts.
    - partition_strategy: same, random or key (RESTORE_PARTITION_STRATEGY).
    - delivery: exactly-once or at-least-once (DELIVERY).
    - threads: source partitions that are restored at the same time, 1 to 64 (NUMBER_OF_KAFKA_THREADS). Threads and open files of a process limit it: 64 with 3 brokers, 28 with 12. The plan counts the bootstrap servers, which is a lower bound of the number of brokers.
    - bytes_per_second: limit of uncompressed record bytes that one process writes to Kafka per second. Each shard has its own limit. 0: no limit (BYTES_PER_SECOND).
    - max_segments: segments per invocation. 0: until done or out of time (MAX_SEGMENTS_PER_INVOCATION).
    - replication_factor: replication factor of topics that the restore creates (RESTORE_REPLICATION_FACTOR). Default: that of the original, limited by the number of brokers.
    - groups: consumer groups whose offsets `finish` sets: names, globs and regular expressions (RESTORE_GROUPS).
    - exclude_groups: groups that finish skips, in the same syntax (RESTORE_EXCLUDE_GROUPS).
    - finish: steps after the last record: groups, configs, acls, or all (RESTORE_FINISH). Additional ACLs of the Kafka user: groups requires Read and Describe on the groups, and Read on the topics. configs requires AlterConfigs and DescribeConfigs on the topics, and DescribeConfigs on the cluster. acls requires Alter and Describe on the cluster. With MSK_IAM the role has these rights.
    - anyway: checks that only warn (RESTORE_ANYWAY). Of the target: retention, timestamps, compaction, not-empty. Of the backup: expired, missing, behind, lost-progress. Of finish: retention, group-offsets, configs.
    - skip_damaged: true skips damaged or missing segments and records what was skipped (SKIP_DAMAGED).
  EOT
  type = object({
    package_path       = optional(string)
    package_s3         = optional(object({ bucket = string, key = string, version = string }))
    image_uri          = optional(string)
    backup_topics      = list(string)
    restore_topic      = string
    exclude_topics     = optional(list(string), [])
    backup_cluster     = optional(string)
    partitions         = optional(string)
    as_of              = optional(string)
    id                 = optional(string)
    from               = optional(string)
    until              = optional(string)
    enabled            = optional(bool, false)
    shards             = optional(number, 1)
    expression         = optional(string, "rate(5 minutes)")
    memory_mb          = optional(number, 1769)
    timeout_seconds    = optional(number, 240)
    partition_strategy = optional(string, "same")
    delivery           = optional(string, "exactly-once")
    threads            = optional(number, 4)
    bytes_per_second   = optional(number, 0)
    max_segments       = optional(number, 0)
    replication_factor = optional(number)
    groups             = optional(list(string), ["*"])
    exclude_groups     = optional(list(string), [])
    finish             = optional(list(string), [])
    anyway             = optional(list(string), [])
    skip_damaged       = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.restore == null ? true : length([for given in [var.restore.package_path, var.restore.package_s3, var.restore.image_uri] : given if given != null]) == 1
    error_message = "restore requires exactly one of package_path, package_s3 and image_uri."
  }
  validation {
    condition     = try(var.restore.image_uri, null) == null ? true : can(regex("^[0-9]{12}[.]dkr[.]ecr[.][a-z0-9-]+[.]amazonaws[.]com([.]cn)?/[^@:]+(:[^@]+)?@sha256:[0-9a-f]{64}$", var.restore.image_uri))
    error_message = "restore.image_uri must be an image in ECR by digest: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:… A tag can be moved to another image."
  }
  validation {
    condition = var.restore == null ? true : length(var.restore.backup_topics) > 0 && alltrue([
      for entry in var.restore.backup_topics :
      startswith(entry, "^") ? can(regex(local.legal_entry, entry)) && can(regexall(entry, "")) && !can(regex(local.unknown_class, entry))
      : (can(regex("^[a-zA-Z0-9._-]{1,249}(@[1-9][0-9]*)?$", entry)) || can(regex(local.legal_entry, entry))) && !contains(concat([".", ".."], local.internal_topics), split("@", entry)[0])
    ])
    error_message = "restore.backup_topics must contain names of topics, or of their generations (orders@1 is the first), globs, and regular expressions of whole names, which begin with ^."
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
    condition     = try(var.restore.backup_cluster, null) == null ? true : trimspace(var.restore.backup_cluster) != ""
    error_message = "restore.backup_cluster must be the id of a cluster, or null."
  }
  validation {
    condition = var.restore == null ? true : var.restore_kafka != null || alltrue([
      for target in concat([for entry in var.restore.backup_topics : replace(var.restore.restore_topic, "{topic}", startswith(entry, "^") ? "x" : replace(split("@", entry)[0], "/[*?]/", "x"))], flatten([
        for entry in var.restore.backup_topics : [
          for name in var.topics : replace(var.restore.restore_topic, "{topic}", name)
          if can(regex(startswith(entry, "^") ? "^(?:${entry})$" : "^${replace(replace(replace(entry, ".", "[.]"), "?", "."), "*", ".*")}$", name))
        ]
      ])) :
      !(contains(var.topics, target) || !startswith(target, "__") && anytrue([for pattern in local.whole_names.topics : can(regex(pattern, target))]))
      || contains(var.exclude_topics, target) || anytrue([for pattern in local.whole_names.excluded : can(regex(pattern, target)) if !startswith(target, "__")])
    ])
    error_message = "restore.restore_topic is a topic that this deployment backs up from the same cluster, so restored records would be backed up again. Choose another name. If a pattern matches it, add it to exclude_topics."
  }
  validation {
    condition     = var.restore == null ? true : can(regex("^[a-zA-Z0-9._-][a-zA-Z0-9._@-]{0,199}$", coalesce(var.restore.id, (length(var.restore.backup_topics) == 1 && !can(regex("^\\^|[*?]", join("", var.restore.backup_topics)))) && var.restore.as_of == null && var.restore.partitions == null ? "${join("", var.restore.backup_topics)}-to-${replace(var.restore.restore_topic, "{topic}", split("@", join("", var.restore.backup_topics))[0])}" : "@"))) && !contains([".", ".."], coalesce(var.restore.id, "-"))
    error_message = "restore.id must have 1 to 200 letters, digits and the signs . _ @ -, not begin with @, and not be \".\" or \"..\". It is required if BACKUP-to-RESTORE is longer, and for several topics, partitions or as_of."
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
    condition     = var.restore == null || can(regex("^rate\\([1-9][0-9]* (minutes?|hours?|days?)\\)$", var.restore.expression))
    error_message = "restore.expression must look like rate(5 minutes)."
  }
  validation {
    condition     = var.restore == null ? true : var.restore.memory_mb >= 256 && var.restore.memory_mb <= 10240 && floor(var.restore.memory_mb) == var.restore.memory_mb
    error_message = "restore.memory_mb must be a whole number from 256 to 10240."
  }
  validation {
    condition     = var.restore == null ? true : var.restore.timeout_seconds >= 30 && var.restore.timeout_seconds <= 900 && floor(var.restore.timeout_seconds) == var.restore.timeout_seconds
    error_message = "restore.timeout_seconds must be a whole number from 30 to 900."
  }
  validation {
    condition = try(var.restore.timeout_seconds <= tonumber(regex("^rate\\(([0-9]+) ", var.restore.expression)[0]) * {
      minute = 60, hour = 3600, day = 86400
    }[regex(" (minute|hour|day)s?\\)$", var.restore.expression)[0]], true)
    error_message = "restore.timeout_seconds must not exceed the time between two starts of restore.expression. Otherwise runs of a shard would overlap, and Lambda would throttle them."
  }
  validation {
    condition     = var.restore == null ? true : var.restore.shards >= 1 && var.restore.shards <= 100 && floor(var.restore.shards) == var.restore.shards
    error_message = "restore.shards must be a whole number from 1 to 100."
  }
  validation {
    condition     = var.restore == null ? true : contains(["same", "random", "key"], var.restore.partition_strategy)
    error_message = "restore.partition_strategy must be same, random or key."
  }
  validation {
    condition     = var.restore == null ? true : contains(["exactly-once", "at-least-once"], var.restore.delivery)
    error_message = "restore.delivery must be exactly-once or at-least-once."
  }
  validation {
    condition     = var.restore == null ? true : var.restore.threads >= 1 && var.restore.threads <= 64 && floor(var.restore.threads) == var.restore.threads
    error_message = "restore.threads must be a whole number from 1 to 64."
  }
  validation {
    condition     = var.restore == null ? true : var.restore.threads <= local.most_writers
    error_message = "restore.threads is ${try(var.restore.threads, 0)}, which is too many for ${local.fewest_brokers} brokers: each partition has a client with threads and files for each broker. (The cluster has at least as many brokers as bootstrap_servers.) Set restore.threads to ${local.most_writers} or less."
  }
  validation {
    condition     = var.restore == null ? true : var.restore.bytes_per_second >= 0 && floor(var.restore.bytes_per_second) == var.restore.bytes_per_second
    error_message = "restore.bytes_per_second must be a whole number, 0 (no limit) or more."
  }
  validation {
    condition     = var.restore == null ? true : var.restore.max_segments >= 0 && floor(var.restore.max_segments) == var.restore.max_segments
    error_message = "restore.max_segments must be a whole number, 0 or more."
  }
  validation {
    condition     = try(var.restore.replication_factor, null) == null ? true : var.restore.replication_factor >= 1 && floor(var.restore.replication_factor) == var.restore.replication_factor
    error_message = "restore.replication_factor must be a whole number, 1 or more."
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
    condition     = try(length(setsubtract(var.restore.anyway, local.restore_checks)) == 0, true)
    error_message = "restore.anyway must contain only ${join(", ", local.restore_checks)}."
  }
}

variable "architecture" {
  description = "Architecture of the packages. arm64 costs a fifth less than x86_64."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "reserve_concurrency" {
  description = "Reserve one concurrent invocation for each shard of backup and restore. Set false only if the account's quota (10 in a new account) is too small. Overlapping invocations are safe, but do work twice."
  type        = bool
  default     = true
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the roles, if the account requires one."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[^:]+:iam::[0-9]{12}:policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of a policy."
  }
}

variable "code_signing_config_arn" {
  description = "Code signing configuration of the functions, for signed packages."
  type        = string
  default     = null

  validation {
    condition     = var.code_signing_config_arn == null || can(regex("^arn:[^:]+:lambda:[^:]+:[0-9]{12}:code-signing-config:csc-.+$", var.code_signing_config_arn))
    error_message = "code_signing_config_arn must be the ARN of a code signing configuration."
  }
}

variable "log" {
  description = <<-EOT
    Log level and retention of the functions' logs.
    - level: DEBUG, INFO, WARNING, ERROR or CRITICAL (LOG_LEVEL).
    - retention_days: a value that CloudWatch Logs supports: 30, 90, 365, 731 and others.
  EOT
  type = object({
    level          = optional(string, "INFO")
    retention_days = optional(number, 365)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], var.log.level)
    error_message = "log.level must be DEBUG, INFO, WARNING, ERROR or CRITICAL."
  }
  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log.retention_days)
    error_message = "log.retention_days must be a value that CloudWatch Logs supports: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}
