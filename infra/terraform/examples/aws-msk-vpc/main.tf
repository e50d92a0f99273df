# An MSK cluster with IAM access control, in its VPC. No password, and no traffic through the internet.

provider "aws" {
  region = var.region

  default_tags {
    tags = { Service = "kafka-backup" }
  }
}

data "aws_msk_cluster" "this" {
  cluster_name = var.cluster_name
}

data "aws_subnets" "private" {
  filter {
    name   = "vpc-id"
    values = [var.vpc_id]
  }
  dynamic "filter" {
    for_each = var.zone_id[*]
    content {
      name   = "availability-zone-id"
      values = [filter.value]
    }
  }
  tags = var.subnet_tags
}

data "aws_route_tables" "private" {
  vpc_id = var.vpc_id

  filter {
    name   = "association.subnet-id"
    values = data.aws_subnets.private.ids
  }
}

module "kafka_backup" {
  source = "../../modules/aws"

  name   = var.name
  topics = var.topics

  exclude_topics     = var.exclude_topics
  msk_topic_patterns = var.msk_topic_patterns

  kafka = {
    bootstrap_servers = data.aws_msk_cluster.this.bootstrap_brokers_sasl_iam
    auth              = "MSK_IAM"
    msk_cluster_arn   = data.aws_msk_cluster.this.arn
  }

  network = {
    vpc_id                   = var.vpc_id
    subnet_ids               = data.aws_subnets.private.ids
    zone_id                  = var.zone_id
    broker_security_group_id = var.broker_security_group_id
    route_table_ids          = var.s3_prefix_list_id == null ? data.aws_route_tables.private.ids : null
    s3_prefix_list_id        = var.s3_prefix_list_id
  }

  backup = {
    package_path = "${var.packages}/backup-batch-arm64.zip"
  }
  schedule = {
    shards = var.shards
  }

  restore = var.drill == null ? null : {
    package_path  = "${var.packages}/restore-batch-arm64.zip"
    backup_topics = [var.drill.backup_topic]
    restore_topic = var.drill.restore_topic
    id            = var.drill.id
    enabled       = var.drill.enabled
  }

  bucket = {
    lock_mode       = "GOVERNANCE" # until a segment expires
    transition_days = 30
    expire_days     = var.expire_days
  }

  alarms = {
    emails      = var.emails
    topic       = var.alarm_topic_arn == null ? null : { arn = var.alarm_topic_arn }
    lag_records = 10000000 # of a topic, in one of the shards
  }
}
