# A copy of the bucket in another account and region, with its own key, and a restore from it.
# Another deployment, for example ../aws-msk-vpc, makes the backup. Here are only the name of its bucket and its keys.

provider "aws" {
  region = var.region
}

provider "aws" {
  alias  = "copy"
  region = var.copy_region

  assume_role {
    role_arn = var.copy_role_arn
  }
}

module "copy" {
  source = "../../modules/aws/modules/storage"
  providers = {
    aws = aws.copy
  }

  name                  = "${var.name}-copy"
  lock_mode             = var.lock_mode
  lock_days             = var.lock_days
  replication_role_arn  = aws_iam_role.replication.arn
  break_glass_role_arns = var.break_glass_role_arns

  # The logs of the restore are encrypted with the same key.
  log_group_arns = [
    for role in ["backup", "restore"] : "arn:${local.partition}:logs:${var.copy_region}:${local.copy_owner}:log-group:/aws/lambda/${var.name}-copy-${role}"
  ]
}

# Only while there is a restore. The schedule of its backup is disabled.
module "restore" {
  source = "../../modules/aws"
  count  = var.restore == null ? 0 : 1
  providers = {
    aws = aws.copy
  }

  name          = "${var.name}-copy"
  topics        = ["unused"]
  kafka         = var.restore.kafka
  restore_kafka = var.restore.kafka
  network       = var.restore.network

  bucket = {
    name   = module.copy.bucket_name
    create = false
    prefix = var.prefix
  }
  kms_key      = { arn = module.copy.kms_key_arn }
  make_kms_key = false

  schedule = { enabled = false }
  backup   = { package_path = "${var.packages}/backup-batch-arm64.zip" }
  restore = {
    package_path   = "${var.packages}/restore-batch-arm64.zip"
    backup_topics  = var.restore.topics
    restore_topic  = "{topic}"
    backup_cluster = var.restore.backup_cluster
    as_of          = var.restore.as_of
    id             = var.restore.id
    finish         = var.restore.finish
    enabled        = true
  }
  alarms = { emails = var.emails }
}
