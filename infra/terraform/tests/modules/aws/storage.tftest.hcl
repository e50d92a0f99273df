# The bucket and the key: protection, and limits of the growth of the bucket.

provider "aws" {
  region = "eu-central-1"
}

variables {
  name   = "kb"
  topics = ["orders", "payments"]
}

run "default" {
  module {
    source = "./modules/storage"
  }

  assert {
    condition     = aws_s3_bucket.this[0].bucket == "kb-123456789012-eu-central-1" && aws_s3_bucket.this[0].object_lock_enabled
    error_message = "name and lock of the bucket"
  }
  assert {
    condition     = aws_s3_bucket_versioning.this[0].versioning_configuration[0].status == "Enabled"
    error_message = "versioning"
  }
  assert {
    condition     = aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention[0].mode == "GOVERNANCE" && aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention[0].days == 3650
    error_message = "object lock"
  }
  assert {
    condition = alltrue([for rule in aws_s3_bucket_server_side_encryption_configuration.this[0].rule :
      rule.bucket_key_enabled && rule.apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms" && rule.apply_server_side_encryption_by_default[0].kms_master_key_id == output.kms_key_arn
    ])
    error_message = "encryption with the deployment's key"
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this[0].block_public_acls,
      aws_s3_bucket_public_access_block.this[0].block_public_policy,
      aws_s3_bucket_public_access_block.this[0].ignore_public_acls,
      aws_s3_bucket_public_access_block.this[0].restrict_public_buckets,
      aws_s3_bucket_ownership_controls.this[0].rule[0].object_ownership == "BucketOwnerEnforced",
    ])
    error_message = "no public access"
  }
  assert {
    condition = jsonencode({ for statement in jsondecode(aws_s3_bucket_policy.this[0].policy).Statement : statement.Sid => [statement.Effect, statement.Principal, statement.Action, sort(statement.Resource), jsonencode(statement.Condition)] }) == jsonencode({
      DenyPlainHttp = ["Deny", "*", "s3:*", ["arn:aws:s3:::kb-123456789012-eu-central-1", "arn:aws:s3:::kb-123456789012-eu-central-1/*"], "{\"Bool\":{\"aws:SecureTransport\":\"false\"}}"]
      DenyOldTls    = ["Deny", "*", "s3:*", ["arn:aws:s3:::kb-123456789012-eu-central-1", "arn:aws:s3:::kb-123456789012-eu-central-1/*"], "{\"NumericLessThan\":{\"s3:TlsVersion\":\"1.2\"}}"]
    })
    error_message = "TLS only: ${aws_s3_bucket_policy.this[0].policy}"
  }
  assert {
    condition     = jsonencode([for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : rule.id]) == jsonencode(["all"]) && length(aws_s3_bucket_lifecycle_configuration.this[0].rule[0].transition) == 0
    error_message = "no transition and no expiry by default"
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_lifecycle_configuration.this[0].rule[0].abort_incomplete_multipart_upload[0].days_after_initiation == 7,
      aws_s3_bucket_lifecycle_configuration.this[0].rule[0].noncurrent_version_expiration[0].noncurrent_days == 30,
    ])
    error_message = "what killed uploads and old versions leave is removed"
  }
  assert {
    condition     = length(aws_s3_bucket_logging.this) == 0
    error_message = "no access log by default"
  }
}

run "everything_asked_for" {
  module {
    source = "./modules/storage"
  }

  variables {
    bucket_name        = "vault"
    prefix             = "kafka"
    lock_mode          = "COMPLIANCE"
    lock_days          = 500
    transition_days    = 30
    expire_days        = 400
    access_log_bucket  = "logs"
    object_kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"
  }

  assert {
    condition = alltrue([for rule in aws_s3_bucket_server_side_encryption_configuration.this[0].rule :
      rule.apply_server_side_encryption_by_default[0].kms_master_key_id == var.object_kms_key_arn
    ]) && aws_kms_key.this[0].arn == output.kms_key_arn
    error_message = "new objects use another key, and the created key is kept"
  }

  assert {
    condition     = aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention[0].mode == "COMPLIANCE" && aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention[0].days == 500
    error_message = "object lock"
  }
  assert {
    condition     = one(aws_s3_bucket_lifecycle_configuration.this[0].rule[0].transition).storage_class == "GLACIER_IR" && one(aws_s3_bucket_lifecycle_configuration.this[0].rule[0].transition).days == 30
    error_message = "old segments move"
  }
  assert {
    condition = jsonencode(toset([for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : rule.filter[0].prefix if startswith(rule.id, "expire-")])) == jsonencode(toset(
      flatten([for topic in ["orders", "payments"] : [for digit in range(10) : "kafka/${topic}/${digit}"]])
    ))
    error_message = "segments expire by their partition's folder, so that topic.json stays"
  }
  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : rule.expiration[0].days == 400 if startswith(rule.id, "expire-")])
    error_message = "segments expire when they are told to"
  }
  assert {
    condition     = aws_s3_bucket_logging.this[0].target_bucket == "logs"
    error_message = "access log"
  }
}

run "snapshots_expire_by_age" {
  module {
    source = "./modules/storage"
  }

  variables {
    prefix               = "kafka"
    snapshot_expire_days = 400
  }

  assert {
    condition     = jsonencode([for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : [rule.filter[0].prefix, rule.expiration[0].days] if rule.id != "all"]) == jsonencode([["kafka/@cluster/", 400]])
    error_message = "snapshots expire, and nothing else"
  }
}

run "bucket_that_exists" {
  module {
    source = "./modules/storage"
  }

  variables {
    bucket_name = "vault"
    make_bucket = false
  }

  assert {
    condition = length(concat(
      aws_s3_bucket.this, aws_s3_bucket_policy.this, aws_s3_bucket_versioning.this, aws_s3_bucket_lifecycle_configuration.this, aws_s3_bucket_object_lock_configuration.this,
      aws_s3_bucket_public_access_block.this, aws_s3_bucket_ownership_controls.this, aws_s3_bucket_server_side_encryption_configuration.this,
    )) == 0
    error_message = "a bucket that exists stays its owner's"
  }
}

run "no_lock" {
  module {
    source = "./modules/storage"
  }

  variables {
    lock_mode = "NONE"
  }

  assert {
    condition     = !aws_s3_bucket.this[0].object_lock_enabled && length(aws_s3_bucket_object_lock_configuration.this) == 0
    error_message = "no lock where none is wanted"
  }
}

run "key_that_is_made" {
  module {
    source = "./modules/storage"
  }

  variables {
    break_glass_role_arns = ["arn:aws:iam::123456789012:role/break-glass"]
    log_group_arns        = ["arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/kb-backup", "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/kb-restore"]
  }

  assert {
    condition     = aws_kms_key.this[0].enable_key_rotation && aws_kms_key_policy.this[0].key_id == aws_kms_key.this[0].key_id && aws_kms_alias.this[0].name == "alias/kb"
    error_message = "the key rotates and has its policy and its name"
  }
  assert {
    condition = jsonencode({ for statement in jsondecode(aws_kms_key_policy.this[0].policy).Statement : statement.Sid => statement.Principal }) == jsonencode({
      Account    = { AWS = "arn:aws:iam::123456789012:root" }
      KeepTheKey = "*"
      Logs       = { Service = "logs.eu-central-1.amazonaws.com" }
      Alarms     = { Service = "cloudwatch.amazonaws.com" }
    })
    error_message = "who can use the key: ${aws_kms_key_policy.this[0].policy}"
  }
  assert {
    condition = jsonencode(one([for statement in jsondecode(aws_kms_key_policy.this[0].policy).Statement : sort(statement.Condition.ArnEquals["kms:EncryptionContext:aws:logs:arn"]) if statement.Sid == "Logs"])) == jsonencode([
      "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/kb-backup",
      "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/kb-restore",
    ])
    error_message = "CloudWatch Logs can use the key for these log groups only"
  }
  assert {
    condition = jsonencode(one([for statement in jsondecode(aws_kms_key_policy.this[0].policy).Statement : [statement.Effect, sort(statement.Action), statement.Condition] if statement.Sid == "KeepTheKey"])) == jsonencode(
      ["Deny", ["kms:DisableKey", "kms:ScheduleKeyDeletion"], { ArnNotEquals = { "aws:PrincipalArn" = "arn:aws:iam::123456789012:role/break-glass" } }]
    )
    error_message = "only the break-glass role can delete the key: ${aws_kms_key_policy.this[0].policy}"
  }
}

run "key_that_no_one_deletes" {
  module {
    source = "./modules/storage"
  }

  assert {
    condition     = one([for statement in jsondecode(aws_kms_key_policy.this[0].policy).Statement : statement.Effect == "Deny" && !can(statement.Condition) if statement.Sid == "KeepTheKey"])
    error_message = "without a break-glass role no one can: ${aws_kms_key_policy.this[0].policy}"
  }
}

run "a_lock_lasts_as_long_as_the_backup" {
  module {
    source = "./modules/storage"
  }

  variables {
    lock_mode   = "COMPLIANCE"
    expire_days = 400
  }

  assert {
    condition     = aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention[0].days == 400
    error_message = "a segment is locked until it expires"
  }
}

run "a_lock_that_ends_before_the_backup_warns" {
  command = plan
  module {
    source = "./modules/storage"
  }

  variables {
    lock_days   = 30
    expire_days = 400
  }
  expect_failures = [check.lock_lasts_as_long_as_the_backup]
}

run "a_lock_of_a_year_on_what_never_expires_warns" {
  command = plan
  module {
    source = "./modules/storage"
  }

  variables {
    lock_days = 365
  }
  expect_failures = [check.lock_lasts_as_long_as_the_backup]
}

run "compliance_without_days" {
  command = plan
  module {
    source = "./modules/storage"
  }

  variables {
    lock_mode = "COMPLIANCE"
  }
  expect_failures = [var.lock_days]
}

run "roles_of_other_accounts" {
  module {
    source = "./modules/storage"
  }

  variables {
    client_role_arns     = ["arn:aws:iam::210987654321:role/kb-backup", "arn:aws:iam::210987654321:role/kb-restore"]
    replication_role_arn = "arn:aws:iam::333333333333:role/kb-replication"
  }

  assert {
    condition = jsonencode({ for statement in jsondecode(aws_s3_bucket_policy.this[0].policy).Statement : statement.Sid => [sort(flatten([statement.Action])), statement.Principal, try(sort(flatten([statement.Condition.ArnEquals["aws:PrincipalArn"]])), [])] if statement.Effect == "Allow" }) == jsonencode({
      ClientsObjects     = [["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"], { AWS = "arn:aws:iam::210987654321:root" }, sort(var.client_role_arns)]
      ClientsBucket      = [["s3:ListBucket", "s3:ListBucketMultipartUploads"], { AWS = "arn:aws:iam::210987654321:root" }, sort(var.client_role_arns)]
      ReplicationObjects = [["s3:ObjectOwnerOverrideToBucketOwner", "s3:ReplicateObject", "s3:ReplicateTags"], { AWS = "arn:aws:iam::333333333333:root" }, [var.replication_role_arn]]
      ReplicationBucket  = [["s3:GetBucketVersioning"], { AWS = "arn:aws:iam::333333333333:root" }, [var.replication_role_arn]]
    })
    error_message = "rights of each role, and none can delete: ${aws_s3_bucket_policy.this[0].policy}"
  }
  assert {
    condition = jsonencode({ for statement in jsondecode(aws_kms_key_policy.this[0].policy).Statement : statement.Sid => [sort(statement.Action), sort(flatten([statement.Condition.ArnEquals["aws:PrincipalArn"]]))] if contains(["Clients", "Replication"], statement.Sid) }) == jsonencode({
      Clients     = [["kms:Decrypt", "kms:GenerateDataKey"], sort(var.client_role_arns)]
      Replication = [["kms:Encrypt", "kms:GenerateDataKey"], [var.replication_role_arn]]
    })
    error_message = "the key follows the bucket: ${aws_kms_key_policy.this[0].policy}"
  }
  assert {
    condition     = !strcontains(aws_s3_bucket_policy.this[0].policy, "DenyBypass")
    error_message = "a GOVERNANCE lock can be bypassed with the right to do so"
  }
}

# A replica keeps the GOVERNANCE lock of its original: the default of the bucket does not apply to it.
run "a_lock_of_a_replica_is_not_bypassed" {
  command = plan
  module {
    source = "./modules/storage"
  }

  variables {
    lock_mode            = "COMPLIANCE"
    lock_days            = 3650
    replication_role_arn = "arn:aws:iam::333333333333:role/kb-replication"
  }

  assert {
    condition = jsonencode([for statement in jsondecode(data.aws_iam_policy_document.bucket.json).Statement : [statement.Effect, statement.Action, statement.Principal, statement.Resource, can(statement.Condition)] if statement.Sid == "DenyBypass"]) == jsonencode([
      ["Deny", "s3:BypassGovernanceRetention", "*", "${local.bucket_arn}/*", false],
    ])
    error_message = "no one bypasses the lock of a replica: ${data.aws_iam_policy_document.bucket.json}"
  }
}
