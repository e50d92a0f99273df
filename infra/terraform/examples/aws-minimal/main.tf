# The smallest deployment: brokers on the internet, user name and password, one topic or a few.

provider "aws" {
  region = var.region
}

# Its value is set by hand (see README.md), so it is neither in this folder nor in the state.
resource "aws_secretsmanager_secret" "kafka" {
  #checkov:skip=CKV_AWS_149:the account's own key is enough for an example; kafka.secret_kms_key_arn takes another
  #checkov:skip=CKV2_AWS_57:the password belongs to the Kafka provider: nothing here can rotate it
  name        = "kafka-backup/login"
  description = "{\"username\": …, \"password\": …} of the Kafka user that kafka-backup logs in as"
}

locals {
  has_patterns = anytrue([for entry in var.topics : can(regex("^\\^|[*?]", entry))])
  drill_topic  = "${var.topics[0]}.restored"
}

module "kafka_backup" {
  source = "../../modules/aws"

  topics = var.topics
  # What the drill restores would be backed up again where a pattern takes it.
  exclude_topics = distinct(concat(var.exclude_topics, local.has_patterns ? [local.drill_topic] : []))
  kafka = {
    bootstrap_servers = var.bootstrap_servers
    auth              = var.sasl_mechanism
    secret_arn        = aws_secretsmanager_secret.kafka.arn
  }

  backup = {
    package_path = "${var.packages}/backup-batch-arm64.zip"
  }

  # For the drill: it runs only when it is invoked.
  restore = {
    package_path  = "${var.packages}/restore-batch-arm64.zip"
    backup_topics = [var.topics[0]]
    restore_topic = local.drill_topic
  }

  bucket = {
    lock_days = var.lock_days
  }

  # An account's first three are free.
  dashboard = true

  alarms = {
    enabled = var.email != null
    emails  = compact([var.email])
  }
}
