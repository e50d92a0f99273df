# The example as a user copies it.

variables {
  region        = "eu-central-1"
  bucket        = "kafka-backup-123456789012-eu-central-1"
  kms_key_arns  = ["arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"]
  copy_region   = "eu-west-1"
  copy_role_arn = "arn:aws:iam::210987654321:role/terraform"
  lock_days     = 3650
  emails        = ["oncall@example.com"]
  packages      = "tests"
}

run "apply" {
  assert {
    condition = alltrue([for rule in aws_s3_bucket_replication_configuration.this.rule :
      rule.status == "Enabled" && one(rule.delete_marker_replication).status == "Disabled" && one(one(rule.source_selection_criteria).sse_kms_encrypted_objects).status == "Enabled"
      && one(rule.destination).account == "210987654321" && one(one(rule.destination).access_control_translation).owner == "Destination"
      && one(one(rule.destination).encryption_configuration).replica_kms_key_id == output.kms_key_arn
    ])
    error_message = "everything is copied, deletions are not, and the copy belongs to its account"
  }
  assert {
    condition = jsonencode({ for statement in jsondecode(aws_iam_role_policy.replication.policy).Statement : statement.Sid => sort(flatten([statement.Action])) }) == jsonencode({
      ReadBucket   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
      ReadVersions = ["s3:GetObjectLegalHold", "s3:GetObjectRetention", "s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging"]
      Decrypt      = ["kms:Decrypt"]
      Add          = ["s3:ObjectOwnerOverrideToBucketOwner", "s3:ReplicateObject", "s3:ReplicateTags"]
      Encrypt      = ["kms:Encrypt", "kms:GenerateDataKey"]
    })
    error_message = "the role reads the source, adds to the copy, and cannot delete: ${aws_iam_role_policy.replication.policy}"
  }
  assert {
    condition     = output.bucket != var.bucket && length(module.restore) == 0
    error_message = "no restore by default"
  }
  assert {
    condition     = module.copy.lock.mode == "COMPLIANCE" && module.copy.lock.days == 3650
    error_message = "no one can lift the lock, unless asked for: ${jsonencode(module.copy.lock)}"
  }
}

run "a_restore_from_the_copy" {
  variables {
    restore = {
      id     = "region-lost"
      finish = ["all"]
      kafka  = { bootstrap_servers = "b-1.example.com:9098", msk_cluster_arn = "arn:aws:kafka:eu-west-1:210987654321:cluster/spare/1d3a-7" }
    }
  }

  assert {
    condition = jsonencode({ for key, value in module.restore[0].environment["restore"] : key => value if contains(["BUCKET_NAME", "S3_SSE_KMS_KEY_ID", "S3_REGION", "BACKUP_TOPIC_NAME", "RESTORE_TOPIC_NAME", "RESTORE_AS_OF", "RESTORE_ID", "RESTORE_FINISH"], key) }) == jsonencode({
      BACKUP_TOPIC_NAME  = "*"
      BUCKET_NAME        = output.bucket
      RESTORE_AS_OF      = "latest"
      RESTORE_FINISH     = "all"
      RESTORE_ID         = "region-lost"
      RESTORE_TOPIC_NAME = "{topic}"
      S3_REGION          = "eu-west-1"
      S3_SSE_KMS_KEY_ID  = output.kms_key_arn
    })
    error_message = "all topics of the copy: ${jsonencode(module.restore[0].environment["restore"])}"
  }
  assert {
    condition     = module.restore[0].made_kms_key_arn == null
    error_message = "the copy's key is enough"
  }
  assert {
    condition     = module.restore[0].security_group_id == null
    error_message = "brokers on the internet"
  }
}

run "a_restore_into_a_vpc" {
  variables {
    restore = {
      id    = "region-lost"
      kafka = { bootstrap_servers = "b-1.example.com:9098", msk_cluster_arn = "arn:aws:kafka:eu-west-1:210987654321:cluster/spare/1d3a-7" }
      network = {
        vpc_id                   = "vpc-0123456789abcdef0"
        subnet_ids               = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
        broker_security_group_id = "sg-0123456789abcdef0"
        s3_prefix_list_id        = "pl-0123456789abcdef0"
      }
    }
  }

  assert {
    condition     = module.restore[0].security_group_id != null
    error_message = "the functions are in the VPC of the brokers"
  }
}

run "a_lock_that_can_be_lifted" {
  variables {
    lock_mode = "GOVERNANCE"
    lock_days = 4000
  }

  assert {
    condition     = module.copy.lock.mode == "GOVERNANCE" && module.copy.lock.days == 4000
    error_message = "the lock that was asked for: ${jsonencode(module.copy.lock)}"
  }
}

run "bad_input" {
  command = plan
  variables {
    name                  = "Kafka"
    region                = "Frankfurt"
    copy_region           = "Dublin"
    copy_role_arn         = "terraform"
    prefix                = "/kafka"
    kms_key_arns          = []
    lock_mode             = "NONE"
    lock_days             = 0
    copy_storage_class    = "GLACIER"
    break_glass_role_arns = ["root"]
    emails                = []
    packages              = ""
  }
  expect_failures = [
    var.name, var.region, var.copy_region, var.copy_role_arn, var.prefix, var.kms_key_arns, var.lock_mode, var.lock_days, var.copy_storage_class,
    var.break_glass_role_arns, var.emails, var.packages,
  ]
}
