locals {
  account    = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  dns_suffix = data.aws_partition.current.dns_suffix
  region     = data.aws_region.current.region

  bucket_name = coalesce(var.bucket_name, "${var.name}-${local.account}-${local.region}")
  bucket_arn  = "arn:${local.partition}:s3:::${local.bucket_name}"
  prefix      = var.prefix == "" ? "" : "${var.prefix}/"
  made_bucket = var.make_bucket ? 1 : 0

  # Counted from the upload of an object. Objects that never expire are locked for ten years.
  kept_days = coalesce(var.expire_days, 3650)
  lock_days = coalesce(var.lock_days, local.kept_days)

  # The folder of a partition begins with a digit. topic.json, next to the folders, does not: it must not expire before the segments.
  expiring_prefixes = var.expire_days == null ? [] : [
    for pair in setproduct(var.topics, range(10)) : "${local.prefix}${pair[0]}/${pair[1]}"
  ]
}

check "lock_lasts_as_long_as_the_backup" {
  assert {
    condition     = !var.make_bucket || var.lock_mode == "NONE" || local.lock_days >= local.kept_days
    error_message = "lock_days = ${local.lock_days} is counted from the upload of a segment, and segments are kept ${var.expire_days == null ? "permanently" : "for ${local.kept_days} days"}. Everyone with the right to delete versions can delete older segments. Remove lock_days, or increase it."
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

# Destroying or replacing it would lose all backups. Terraform refuses both.
resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:the access log needs a separate bucket, var.access_log_bucket; CloudTrail data events contain more
  #checkov:skip=CKV_AWS_144:a copy in another region doubles the cost, so it is a separate decision: examples/aws-copy
  #checkov:skip=CKV2_AWS_62:no program waits for new segments
  count = local.made_bucket

  bucket              = local.bucket_name
  object_lock_enabled = var.lock_mode != "NONE"
  tags                = var.tags

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  count = local.made_bucket

  bucket                  = aws_s3_bucket.this[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "this" {
  count = local.made_bucket

  bucket = aws_s3_bucket.this[0].id
  policy = data.aws_iam_policy_document.bucket.json

  # S3 accepts only one change of a bucket's access at the same time.
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_ownership_controls" "this" {
  count = local.made_bucket

  bucket = aws_s3_bucket.this[0].id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }

  depends_on = [aws_s3_bucket_policy.this]
}

resource "aws_s3_bucket_versioning" "this" {
  count = local.made_bucket

  bucket = aws_s3_bucket.this[0].id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_object_lock_configuration" "this" {
  count = var.lock_mode == "NONE" ? 0 : local.made_bucket

  bucket = aws_s3_bucket_versioning.this[0].bucket
  rule {
    default_retention {
      mode = var.lock_mode
      days = local.lock_days
    }
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  count = local.made_bucket

  bucket = aws_s3_bucket.this[0].id
  rule {
    # Without it every request to S3 would also be a request to KMS.
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = local.object_key_arn
    }
  }
}

resource "aws_s3_bucket_logging" "this" {
  count = var.access_log_bucket == null ? 0 : local.made_bucket

  bucket        = aws_s3_bucket.this[0].id
  target_bucket = var.access_log_bucket
  target_prefix = "${local.bucket_name}/"
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  #checkov:skip=CKV_AWS_300:the first rule does this for the whole bucket; the check does not find it
  count = local.made_bucket

  bucket = aws_s3_bucket.this[0].id

  # For the whole bucket: parts of killed uploads, overwritten checkpoints, and cheaper storage for old objects.
  rule {
    id     = "all"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_expire_days
    }
    expiration {
      expired_object_delete_marker = true
    }
    dynamic "transition" {
      for_each = var.transition_days == null ? [] : [var.transition_days]
      content {
        days          = transition.value
        storage_class = var.transition_class
      }
    }
  }

  dynamic "rule" {
    for_each = local.expiring_prefixes
    content {
      id     = "expire-${rule.key}"
      status = "Enabled"
      filter {
        prefix = rule.value
      }
      expiration {
        days = var.expire_days
      }
    }
  }

  # By age only: S3 has no rule that keeps one snapshot a day (docs/decisions/0006-snapshots-expire-by-age-or-not-at-all.md).
  dynamic "rule" {
    for_each = var.snapshot_expire_days == null ? [] : [var.snapshot_expire_days]
    content {
      id     = "expire-snapshots"
      status = "Enabled"
      filter {
        prefix = "${local.prefix}@cluster/"
      }
      expiration {
        days = rule.value
      }
    }
  }

  # The rules for versions require versioning.
  depends_on = [aws_s3_bucket_versioning.this]
}

data "aws_iam_policy_document" "bucket" {
  source_policy_documents = length(local.others) == 0 ? [] : [data.aws_iam_policy_document.others_bucket.json]

  statement {
    sid       = "DenyPlainHttp"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  statement {
    sid       = "DenyOldTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "NumericLessThan"
      variable = "s3:TlsVersion"
      values   = ["1.2"]
    }
  }

  # S3 gives a replica the lock of its original, and not the default of this bucket. So GOVERNANCE of the original stays GOVERNANCE here.
  dynamic "statement" {
    for_each = var.replication_role_arn != null && var.lock_mode == "COMPLIANCE" ? [true] : []
    content {
      sid       = "DenyBypass"
      effect    = "Deny"
      actions   = ["s3:BypassGovernanceRetention"]
      resources = ["${local.bucket_arn}/*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }
    }
  }
}
