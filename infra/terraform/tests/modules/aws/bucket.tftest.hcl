# The bucket: what cannot be undone with it, and what keeps it from growing.

provider "aws" {
  region = "eu-central-1"
}

variables {
  name   = "kb"
  topics = ["orders", "payments"]
  kafka  = { bootstrap_servers = "broker.example.com:9092", auth = "PLAINTEXT" }
  backup = { package_path = "tests/package.zip" }
}

run "default" {
  assert {
    condition     = aws_s3_bucket.this[0].bucket == "kb-123456789012-eu-central-1" && aws_s3_bucket.this[0].object_lock_enabled && !aws_s3_bucket.this[0].force_destroy
    error_message = "name, lock and protection of the bucket"
  }
  assert {
    condition     = aws_s3_bucket_versioning.this[0].versioning_configuration[0].status == "Enabled"
    error_message = "versioning"
  }
  assert {
    condition     = aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention[0].mode == "GOVERNANCE" && aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention[0].days == 30
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
    error_message = "nothing public"
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
    error_message = "no segment moves or goes unless asked for"
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
    error_message = "no access log unless asked for"
  }
}

run "everything_asked_for" {
  variables {
    bucket = {
      name            = "vault"
      prefix          = "kafka"
      lock_mode       = "COMPLIANCE"
      lock_days       = 90
      transition_days = 30
      expire_days     = 400
      access_log      = { bucket = "logs" }
      kms_key_arn     = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"
    }
  }

  assert {
    condition     = aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention[0].mode == "COMPLIANCE" && aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention[0].days == 90
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
  assert {
    condition = alltrue([
      output.environment["backup"].S3_SSE_KMS_KEY_ID == var.bucket.kms_key_arn,
      length([for statement in jsondecode(output.policies["backup"]).Statement : true if statement.Sid == "Key" && statement.Resource == var.bucket.kms_key_arn]) == 1,
      output.kms_key_arn != var.bucket.kms_key_arn,
    ])
    error_message = "the bucket's own key is used for objects, and only for them"
  }
}

run "snapshots_expire_by_age" {
  variables {
    bucket = { prefix = "kafka", snapshot_expire_days = 400 }
  }

  assert {
    condition     = jsonencode([for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : [rule.filter[0].prefix, rule.expiration[0].days] if rule.id != "all"]) == jsonencode([["kafka/@cluster/", 400]])
    error_message = "snapshots expire, and nothing else"
  }
}

run "bucket_that_exists" {
  variables {
    bucket = { name = "vault", create = false }
  }

  assert {
    condition = length(concat(
      aws_s3_bucket.this, aws_s3_bucket_policy.this, aws_s3_bucket_versioning.this, aws_s3_bucket_lifecycle_configuration.this, aws_s3_bucket_object_lock_configuration.this,
      aws_s3_bucket_public_access_block.this, aws_s3_bucket_ownership_controls.this, aws_s3_bucket_server_side_encryption_configuration.this,
    )) == 0
    error_message = "a bucket that exists stays its owner's"
  }
  assert {
    condition     = output.bucket_arn == "arn:aws:s3:::vault" && output.environment["backup"].BUCKET_NAME == "vault"
    error_message = "a bucket that exists is used"
  }
}

run "no_lock" {
  variables {
    bucket = { lock_mode = "NONE" }
  }

  assert {
    condition     = !aws_s3_bucket.this[0].object_lock_enabled && length(aws_s3_bucket_object_lock_configuration.this) == 0
    error_message = "no lock where none is wanted"
  }
}
