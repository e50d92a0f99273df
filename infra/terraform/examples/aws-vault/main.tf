# The bucket and its key in a separate account, with a COMPLIANCE lock: the owner of the cluster's account cannot delete a backup.

provider "aws" {
  region = var.region
}

# The account of the bucket. It should have few administrators, who are not those of the cluster.
provider "aws" {
  alias  = "vault"
  region = var.region

  assume_role {
    role_arn = var.vault_role_arn
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  # Built from names, so that the vault can allow the roles before they are created.
  client_role_arns = [
    for role in ["backup", "restore"] : "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:role/${var.name}-${role}"
  ]
}

module "vault" {
  source = "../../modules/aws/modules/storage"
  providers = {
    aws = aws.vault
  }

  name                  = var.name
  topics                = var.topics
  lock_mode             = "COMPLIANCE"
  expire_days           = var.expire_days # and so long is each segment locked
  transition_days       = 30
  client_role_arns      = local.client_role_arns
  break_glass_role_arns = var.break_glass_role_arns
}

module "kafka_backup" {
  source = "../../modules/aws"

  name   = var.name
  topics = var.topics
  kafka  = var.kafka

  bucket = {
    name        = module.vault.bucket_name
    create      = false
    kms_key_arn = module.vault.kms_key_arn
  }
  backup = {
    package_path = "${var.packages}/backup-batch-arm64.zip"
  }
  restore = var.drill == null ? null : {
    package_path  = "${var.packages}/restore-batch-arm64.zip"
    backup_topics = [var.drill.backup_topic]
    restore_topic = var.drill.restore_topic
  }
  alarms = {
    emails = var.emails
  }
}
