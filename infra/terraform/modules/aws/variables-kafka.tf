variable "kafka" {
  description = <<-EOT
    The cluster that is backed up, and how to log in.
    - bootstrap_servers: host:port, comma-separated (BOOTSTRAP_SERVERS).
    - auth: MSK_IAM, with the role of the function; SCRAM-SHA-512, SCRAM-SHA-256, PLAIN or OAUTHBEARER, with a secret, over TLS; MTLS, with a client certificate in a secret; TLS; or PLAINTEXT.
    - msk_cluster_arn: with MSK_IAM: the cluster that the roles are let into.
    - secret_arn: with SCRAM, PLAIN, OAUTHBEARER and MTLS: secret of Secrets Manager that holds {"username": …, "password": …}, {"clientId": …, "clientSecret": …, "tokenEndpoint": …} or {"certificate": …, "privateKey": …} (KAFKA_SECRET_ARN; docs/platforms.md). In a network, the way to the token endpoint of OAUTHBEARER is yours to open: a rule of the output security_group_id.
    - secret_kms_key_arn: key of that secret, where it is not the account's default. MSK asks for one.
    - ca_pem: certificates of a private authority (KAFKA_CA_PEM).
    - properties: librdkafka properties by their own names, such as { "client.rack" = "use1-az1" }. They become KAFKA_* variables; what the program sets itself is refused.
  EOT
  type = object({
    bootstrap_servers  = string
    auth               = optional(string, "MSK_IAM")
    msk_cluster_arn    = optional(string)
    secret_arn         = optional(string)
    secret_kms_key_arn = optional(string)
    ca_pem             = optional(string)
    properties         = optional(map(string), {})
  })
  nullable = false

  validation {
    condition     = can(regex("^[^,:\\s]+:[0-9]{1,5}(,[^,:\\s]+:[0-9]{1,5})*$", var.kafka.bootstrap_servers))
    error_message = "kafka.bootstrap_servers must be host:port, or several of them with commas and no spaces between."
  }
  validation {
    condition     = contains(concat(["MSK_IAM", "TLS", "PLAINTEXT"], local.secret_auths), var.kafka.auth)
    error_message = "kafka.auth must be MSK_IAM, TLS, PLAINTEXT or one of ${join(", ", local.secret_auths)}."
  }
  validation {
    condition     = (var.kafka.auth == "MSK_IAM") == can(regex("^arn:[^:]+:kafka:[^:]+:[0-9]{12}:cluster/[^/]+/[^/]+$", var.kafka.msk_cluster_arn))
    error_message = "kafka.msk_cluster_arn must be a cluster's ARN with auth MSK_IAM, and absent with any other: it is what the roles are let into."
  }
  validation {
    condition     = contains(local.secret_auths, var.kafka.auth) == can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:.+$", var.kafka.secret_arn))
    error_message = "kafka.secret_arn must be a secret's ARN with auth ${join(", ", local.secret_auths)}, and absent with any other."
  }
  validation {
    condition     = var.kafka.ca_pem == null || can(regex("^\\s*-----BEGIN CERTIFICATE-----", var.kafka.ca_pem))
    error_message = "kafka.ca_pem must be certificates in PEM."
  }
  validation {
    condition     = var.kafka.ca_pem == null || var.kafka.auth != "PLAINTEXT"
    error_message = "kafka.ca_pem is for TLS: with auth PLAINTEXT nothing would be encrypted. Leave it out, or choose TLS, SCRAM or PLAIN."
  }
  validation {
    condition     = alltrue([for name in keys(var.kafka.properties) : can(regex("^[a-z0-9]+(\\.[a-z0-9]+)*$", name))])
    error_message = "kafka.properties takes librdkafka's names, for example \"fetch.max.bytes\"."
  }
  validation {
    condition     = length([for name in keys(var.kafka.properties) : name if can(regex(local.secret_property, name))]) == 0
    error_message = "kafka.properties must not hold secrets: anyone who may look at the function could read them. Put them into the secret of kafka.secret_arn."
  }
  validation {
    condition     = length(setintersection(keys(var.kafka.properties), local.auth_properties)) == 0
    error_message = "kafka.auth decides security.protocol and sasl.mechanism: leave them out of kafka.properties."
  }
  validation {
    condition     = alltrue([for name, value in var.kafka.properties : contains(try(local.fixed_properties[name], [lower(value)]), lower(value))])
    error_message = "kafka.properties: the program decides these itself, and would not start: ${join(", ", [for name, value in try(var.kafka.properties, {}) : name if !contains(try(local.fixed_properties[name], [lower(value)]), lower(value))])}. Leave them out."
  }
}

variable "restore_kafka" {
  description = "The cluster to restore into, in the form of `kafka`; null: the one that is backed up."
  type = object({
    bootstrap_servers  = string
    auth               = optional(string, "MSK_IAM")
    msk_cluster_arn    = optional(string)
    secret_arn         = optional(string)
    secret_kms_key_arn = optional(string)
    ca_pem             = optional(string)
    properties         = optional(map(string), {})
  })
  default = null

  validation {
    condition     = var.restore_kafka == null ? true : can(regex("^[^,:\\s]+:[0-9]{1,5}(,[^,:\\s]+:[0-9]{1,5})*$", var.restore_kafka.bootstrap_servers))
    error_message = "restore_kafka.bootstrap_servers must be host:port, or several of them with commas and no spaces between."
  }
  validation {
    condition     = var.restore_kafka == null ? true : contains(concat(["MSK_IAM", "TLS", "PLAINTEXT"], local.secret_auths), var.restore_kafka.auth)
    error_message = "restore_kafka.auth must be MSK_IAM, TLS, PLAINTEXT or one of ${join(", ", local.secret_auths)}."
  }
  validation {
    condition     = var.restore_kafka == null ? true : (var.restore_kafka.auth == "MSK_IAM") == can(regex("^arn:[^:]+:kafka:[^:]+:[0-9]{12}:cluster/[^/]+/[^/]+$", var.restore_kafka.msk_cluster_arn))
    error_message = "restore_kafka.msk_cluster_arn must be a cluster's ARN with auth MSK_IAM, and absent with any other: it is what the roles are let into."
  }
  validation {
    condition     = var.restore_kafka == null ? true : contains(local.secret_auths, var.restore_kafka.auth) == can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:.+$", var.restore_kafka.secret_arn))
    error_message = "restore_kafka.secret_arn must be a secret's ARN with auth ${join(", ", local.secret_auths)}, and absent with any other."
  }
  validation {
    condition     = var.restore_kafka == null ? true : var.restore_kafka.ca_pem == null || can(regex("^\\s*-----BEGIN CERTIFICATE-----", var.restore_kafka.ca_pem))
    error_message = "restore_kafka.ca_pem must be certificates in PEM."
  }
  validation {
    condition     = var.restore_kafka == null ? true : var.restore_kafka.ca_pem == null || var.restore_kafka.auth != "PLAINTEXT"
    error_message = "restore_kafka.ca_pem is for TLS: with auth PLAINTEXT nothing would be encrypted. Leave it out, or choose TLS, SCRAM or PLAIN."
  }
  validation {
    condition     = var.restore_kafka == null ? true : alltrue([for name in keys(var.restore_kafka.properties) : can(regex("^[a-z0-9]+(\\.[a-z0-9]+)*$", name))])
    error_message = "restore_kafka.properties takes librdkafka's names, for example \"fetch.max.bytes\"."
  }
  validation {
    condition     = var.restore_kafka == null ? true : length([for name in keys(var.restore_kafka.properties) : name if can(regex(local.secret_property, name))]) == 0
    error_message = "restore_kafka.properties must not hold secrets: anyone who may look at the function could read them. Put them into the secret of restore_kafka.secret_arn."
  }
  validation {
    condition     = var.restore_kafka == null ? true : length(setintersection(keys(var.restore_kafka.properties), local.auth_properties)) == 0
    error_message = "restore_kafka.auth decides security.protocol and sasl.mechanism: leave them out of restore_kafka.properties."
  }
  validation {
    condition     = var.restore_kafka == null ? true : alltrue([for name, value in var.restore_kafka.properties : contains(try(local.fixed_properties[name], [lower(value)]), lower(value))])
    error_message = "restore_kafka.properties: the program decides these itself, and would not start: ${join(", ", [for name, value in try(var.restore_kafka.properties, {}) : name if !contains(try(local.fixed_properties[name], [lower(value)]), lower(value))])}. Leave them out."
  }
}

variable "msk_topic_patterns" {
  description = "Topics that the backup role may read through MSK IAM, as names, or with * and ? as in ARNs. Default: exactly `topics`. Needed where `topics` holds a regular expression, which no ARN can say, or so many topics that the policy gets too long. It must cover all of `topics`: what the role may not describe, a pattern does not find."
  type        = list(string)
  default     = null

  validation {
    condition     = var.msk_topic_patterns == null ? true : length(var.msk_topic_patterns) > 0 && alltrue([for pattern in var.msk_topic_patterns : can(regex("^[a-zA-Z0-9._*?-]+$", pattern))])
    error_message = "msk_topic_patterns must hold topics' names, or patterns of names with * and ?."
  }
  validation {
    condition     = var.msk_topic_patterns != null || var.kafka.auth != "MSK_IAM" || length(local.topic_regexes) == 0
    error_message = "IAM knows no regular expressions: with ${join(", ", local.topic_regexes)} in topics, say in msk_topic_patterns which topics the role may read, for example [\"orders-*\"]. What it may not describe is not found, without an error."
  }
  validation {
    # A `?` stands for one character, which may be the `?` of a glob in topics, but not its `*`.
    condition = var.msk_topic_patterns == null || var.kafka.auth != "MSK_IAM" ? true : alltrue([
      for glob in local.topic_globs : anytrue([
        for pattern in var.msk_topic_patterns : can(regex("^${replace(replace(replace(pattern, ".", "[.]"), "*", ".*"), "?", "[^*]")}$", glob))
      ])
    ])
    error_message = "msk_topic_patterns must have an entry that covers each of ${join(", ", local.topic_globs)}: what the role may not describe is not found, without an error. Add it there, or write in topics what is meant."
  }
}
