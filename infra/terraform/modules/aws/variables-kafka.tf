variable "kafka" {
  description = <<-EOT
    The source cluster, and the login to it.
    - bootstrap_servers: host:port, comma-separated (BOOTSTRAP_SERVERS).
    - auth: MSK_IAM with the role of the function; SCRAM-SHA-512, SCRAM-SHA-256, PLAIN or OAUTHBEARER with a secret, over TLS; MTLS with a client certificate in a secret; TLS; or PLAINTEXT.
    - msk_cluster_arn: with MSK_IAM: the cluster that the roles can access.
    - secret_arn: secret in Secrets Manager (KAFKA_SECRET_ARN; docs/platforms.md). SCRAM and PLAIN: {"username": …, "password": …}. OAUTHBEARER: {"clientId": …, "clientSecret": …, "tokenEndpoint": …}. In a VPC, add a rule for the token endpoint to the output security_group_id. MTLS: {"certificate": …, "privateKey": …}.
    - secret_kms_key_arn: key of that secret, if it is not the default key of the account. MSK requires one.
    - ca_pem: certificates of a private certificate authority (KAFKA_CA_PEM).
    - properties: librdkafka properties, such as { "client.rack" = "use1-az1" }. They become KAFKA_* variables. Properties that the program sets itself are refused.
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
    error_message = "kafka.bootstrap_servers must be host:port, or several of them, separated by commas without spaces."
  }
  validation {
    condition     = contains(concat(["MSK_IAM", "TLS", "PLAINTEXT"], local.secret_auths), var.kafka.auth)
    error_message = "kafka.auth must be MSK_IAM, TLS, PLAINTEXT or one of ${join(", ", local.secret_auths)}."
  }
  validation {
    condition     = (var.kafka.auth == "MSK_IAM") == can(regex("^arn:[^:]+:kafka:[^:]+:[0-9]{12}:cluster/[^/]+/[^/]+$", var.kafka.msk_cluster_arn))
    error_message = "kafka.msk_cluster_arn must be the ARN of a cluster with auth MSK_IAM, and null with any other."
  }
  validation {
    condition     = contains(local.secret_auths, var.kafka.auth) == can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:.+$", var.kafka.secret_arn))
    error_message = "kafka.secret_arn must be the ARN of a secret with auth ${join(", ", local.secret_auths)}, and null with any other."
  }
  validation {
    condition     = var.kafka.ca_pem == null || can(regex("^\\s*-----BEGIN CERTIFICATE-----", var.kafka.ca_pem))
    error_message = "kafka.ca_pem must be certificates in PEM format."
  }
  validation {
    condition     = var.kafka.ca_pem == null || var.kafka.auth != "PLAINTEXT"
    error_message = "kafka.ca_pem has no effect with auth PLAINTEXT, which is not encrypted. Remove it, or set auth to another one."
  }
  validation {
    condition     = alltrue([for name in keys(var.kafka.properties) : can(regex("^[a-z0-9]+(\\.[a-z0-9]+)*$", name))])
    error_message = "kafka.properties must contain librdkafka's property names, for example \"fetch.max.bytes\"."
  }
  validation {
    condition     = length([for name in keys(var.kafka.properties) : name if can(regex(local.secret_property, name))]) == 0
    error_message = "kafka.properties must not contain secrets: everyone who can view the function could read them. Put them into the secret of kafka.secret_arn."
  }
  validation {
    condition     = length(setintersection(keys(var.kafka.properties), local.auth_properties)) == 0
    error_message = "kafka.auth sets security.protocol and sasl.mechanism. Remove them from kafka.properties."
  }
  validation {
    condition     = alltrue([for name, value in var.kafka.properties : contains(try(local.fixed_properties[name], [lower(value)]), lower(value))])
    error_message = "kafka.properties contains properties that the program sets itself, so it would not start: ${join(", ", [for name, value in try(var.kafka.properties, {}) : name if !contains(try(local.fixed_properties[name], [lower(value)]), lower(value))])}. Remove them."
  }
}

variable "restore_kafka" {
  description = "The target cluster of the restore, in the form of `kafka`. null: the source cluster."
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
    error_message = "restore_kafka.bootstrap_servers must be host:port, or several of them, separated by commas without spaces."
  }
  validation {
    condition     = var.restore_kafka == null ? true : contains(concat(["MSK_IAM", "TLS", "PLAINTEXT"], local.secret_auths), var.restore_kafka.auth)
    error_message = "restore_kafka.auth must be MSK_IAM, TLS, PLAINTEXT or one of ${join(", ", local.secret_auths)}."
  }
  validation {
    condition     = var.restore_kafka == null ? true : (var.restore_kafka.auth == "MSK_IAM") == can(regex("^arn:[^:]+:kafka:[^:]+:[0-9]{12}:cluster/[^/]+/[^/]+$", var.restore_kafka.msk_cluster_arn))
    error_message = "restore_kafka.msk_cluster_arn must be the ARN of a cluster with auth MSK_IAM, and null with any other."
  }
  validation {
    condition     = var.restore_kafka == null ? true : contains(local.secret_auths, var.restore_kafka.auth) == can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:.+$", var.restore_kafka.secret_arn))
    error_message = "restore_kafka.secret_arn must be the ARN of a secret with auth ${join(", ", local.secret_auths)}, and null with any other."
  }
  validation {
    condition     = var.restore_kafka == null ? true : var.restore_kafka.ca_pem == null || can(regex("^\\s*-----BEGIN CERTIFICATE-----", var.restore_kafka.ca_pem))
    error_message = "restore_kafka.ca_pem must be certificates in PEM format."
  }
  validation {
    condition     = var.restore_kafka == null ? true : var.restore_kafka.ca_pem == null || var.restore_kafka.auth != "PLAINTEXT"
    error_message = "restore_kafka.ca_pem has no effect with auth PLAINTEXT, which is not encrypted. Remove it, or set auth to another one."
  }
  validation {
    condition     = var.restore_kafka == null ? true : alltrue([for name in keys(var.restore_kafka.properties) : can(regex("^[a-z0-9]+(\\.[a-z0-9]+)*$", name))])
    error_message = "restore_kafka.properties must contain librdkafka's property names, for example \"fetch.max.bytes\"."
  }
  validation {
    condition     = var.restore_kafka == null ? true : length([for name in keys(var.restore_kafka.properties) : name if can(regex(local.secret_property, name))]) == 0
    error_message = "restore_kafka.properties must not contain secrets: everyone who can view the function could read them. Put them into the secret of restore_kafka.secret_arn."
  }
  validation {
    condition     = var.restore_kafka == null ? true : length(setintersection(keys(var.restore_kafka.properties), local.auth_properties)) == 0
    error_message = "restore_kafka.auth sets security.protocol and sasl.mechanism. Remove them from restore_kafka.properties."
  }
  validation {
    condition     = var.restore_kafka == null ? true : alltrue([for name, value in var.restore_kafka.properties : contains(try(local.fixed_properties[name], [lower(value)]), lower(value))])
    error_message = "restore_kafka.properties contains properties that the program sets itself, so it would not start: ${join(", ", [for name, value in try(var.restore_kafka.properties, {}) : name if !contains(try(local.fixed_properties[name], [lower(value)]), lower(value))])}. Remove them."
  }
}

variable "msk_topic_patterns" {
  description = "Topics that the backup role can read through MSK IAM: names, or patterns with * and ? as in ARNs. Default: `topics`. Required if `topics` contains a regular expression, which an ARN cannot express, or so many topics that the policy is too long. It must cover all of `topics`: patterns do not find topics that the role cannot describe."
  type        = list(string)
  default     = null

  validation {
    condition     = var.msk_topic_patterns == null ? true : length(var.msk_topic_patterns) > 0 && alltrue([for pattern in var.msk_topic_patterns : can(regex("^[a-zA-Z0-9._*?-]+$", pattern))])
    error_message = "msk_topic_patterns must contain names of topics, or patterns with * and ?."
  }
  validation {
    condition     = var.msk_topic_patterns != null || var.kafka.auth != "MSK_IAM" || length(local.topic_regexes) == 0
    error_message = "IAM does not support regular expressions (in topics: ${join(", ", local.topic_regexes)}). Set msk_topic_patterns to the topics that the role can read, for example [\"orders-*\"]. Topics that the role cannot describe are not found, without an error."
  }
  validation {
    # A `?` stands for one character, which may be the `?` of a glob in topics, but not its `*`.
    condition = var.msk_topic_patterns == null || var.kafka.auth != "MSK_IAM" ? true : alltrue([
      for glob in local.topic_globs : anytrue([
        for pattern in var.msk_topic_patterns : can(regex("^${replace(replace(replace(pattern, ".", "[.]"), "*", ".*"), "?", "[^*]")}$", glob))
      ])
    ])
    error_message = "msk_topic_patterns must have an entry that covers each of ${join(", ", local.topic_globs)}. Topics that the role cannot describe are not found, without an error. Add a pattern, or correct topics."
  }
}
