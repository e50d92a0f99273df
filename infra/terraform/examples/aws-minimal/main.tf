# The smallest deployment: brokers on the internet, user name and password, a few topics.

provider "aws" {
  region = var.region
}

# Set its value by hand (see README.md), so that it is neither in this folder nor in the state.
resource "aws_secretsmanager_secret" "kafka" {
  #checkov:skip=CKV_AWS_149:the default key of the account is enough for an example; kafka.secret_kms_key_arn sets another
  #checkov:skip=CKV2_AWS_57:the Kafka provider manages the password, so Terraform cannot rotate it
  name        = "kafka-backup/login"
  description = "{\"username\": …, \"password\": …} of the Kafka user of kafka-backup"
}

locals {
  has_patterns = anytrue([for entry in var.topics : can(regex("^\\^|[*?]", entry))])
  drill_topic  = "${var.topics[0]}.restored"
}

module "kafka_backup" {
  source = "../../modules/aws"

  topics = var.topics
  # Otherwise a pattern could match the target of the drill, and back it up again.
  exclude_topics = distinct(concat(var.exclude_topics, local.has_patterns ? [local.drill_topic] : []))
  kafka = {
    bootstrap_servers = var.bootstrap_servers
    auth              = var.sasl_mechanism
    secret_arn        = aws_secretsmanager_secret.kafka.arn
  }

  backup = {
    package_path = "${var.packages}/backup-batch-arm64.zip"
  }

  # For the drill. It runs only when you invoke it.
  restore = {
    package_path  = "${var.packages}/restore-batch-arm64.zip"
    backup_topics = [var.topics[0]]
    restore_topic = local.drill_topic
  }

  bucket = {
    lock_days = var.lock_days
  }

  # The first three of an account are free.
  dashboard = true

  alarms = {
    enabled = var.email != null
    emails  = compact([var.email])
  }
}
