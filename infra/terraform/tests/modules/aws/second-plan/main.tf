# Everything that the module can make, applied with stand-in providers. ../../../second-plan plans it a second time.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "eu-central-1"
}

module "everything" {
  source = "../modules/aws"

  name = "orders"
  tags = { team = "data" }

  topics         = ["orders", "payments"]
  exclude_topics = ["orders.copy"]
  kafka          = { bootstrap_servers = "kafka01:9096,kafka02:9096", auth = "SCRAM-SHA-512", secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_kafka-abcdef", secret_kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/44444444-2222-3333-4444-555555555555" }
  restore_kafka  = { bootstrap_servers = "other01:9098", msk_cluster_arn = "arn:aws:kafka:eu-central-1:123456789012:cluster/other/11111111-2222-3333-4444-555555555555-1" }
  network = {
    vpc_id                   = "vpc-0123456789abcdef0"
    subnet_ids               = ["subnet-0123456789abcdef1", "subnet-0123456789abcdef0"]
    broker_security_group_id = "sg-0123456789abcdef0"
    restore_brokers          = { security_group_id = "sg-0123456789abcdef1" }
    route_table_ids          = ["rtb-0123456789abcdef1", "rtb-0123456789abcdef0"]
  }
  backup   = { package_path = "../modules/aws/tests/package.zip", metrics_max_topics = 10 }
  schedule = { shards = 2 }
  restore = {
    package_path  = "../modules/aws/tests/package.zip"
    backup_topics = ["orders", "payments"]
    restore_topic = "{topic}.restored"
    id            = "second"
    as_of         = "latest"
    finish        = ["all"]
    shards        = 2
  }

  bucket = {
    prefix               = "kafka/prod"
    transition_days      = 30
    expire_days          = 400
    snapshot_expire_days = 400
    access_log           = { bucket = "access-logs" }
  }
  kms_key               = { arn = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555" }
  old_kms_key_arns      = ["arn:aws:kms:eu-central-1:210987654321:key/88888888-2222-3333-4444-555555555555"]
  break_glass_role_arns = ["arn:aws:iam::123456789012:role/break-glass"]

  alarms    = { emails = ["oncall@example.com"], lag_records = 100000 }
  dashboard = true
}
