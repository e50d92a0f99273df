# A cluster of fifty topics that is restored on four shards, applied with stand-in providers by ../../../fifty-topics.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "eu-central-1"
}

locals {
  topics = [for number in range(50) : format("fifty-%02d", number)]
}

module "kafka_backup" {
  source = "../modules/aws"

  name   = "fifty"
  topics = local.topics
  kafka  = { bootstrap_servers = "broker.example.com:9092", auth = "PLAINTEXT" }
  bucket = { name = "kafka-backups" }

  group_id = "backup-of-fifty" # the end-to-end tests share a cluster
  alarms   = { emails = ["oncall@example.com"] }

  # Small segments, and none of them waits to be filled, so that a test restores several of each partition.
  backup   = { package_path = "../modules/aws/tests/package.zip", records_per_segment = 40, retry_upload_seconds = 0, consumer_groups = ["fifty-*"] }
  schedule = { shards = 4 }
  restore = {
    package_path  = "../modules/aws/tests/package.zip"
    backup_topics = local.topics
    restore_topic = "{topic}.restored"
    id            = "fifty"
    as_of         = "latest"
    finish        = ["groups", "configs"]
    groups        = ["fifty-*"]
    shards        = 4
    enabled       = true
  }
}
