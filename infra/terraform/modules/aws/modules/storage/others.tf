# Access of other accounts: clients that read and write, and the replication role of S3. None of them can delete.
# The principal is the account, and a condition contains the role. So the role need not exist yet, and can be created again.

locals {
  other_roles = {
    Clients     = var.client_role_arns
    Replication = var.replication_role_arn == null ? [] : [var.replication_role_arn]
  }
  others = { for what, arns in local.other_roles : what => {
    roles    = arns
    accounts = distinct([for arn in arns : "arn:${local.partition}:iam::${split(":", arn)[4]}:root"])
  } if length(arns) > 0 }

  other_actions = {
    Clients = {
      objects = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
      bucket  = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]
      key     = ["kms:Decrypt", "kms:GenerateDataKey"]
    }
    Replication = {
      objects = ["s3:ReplicateObject", "s3:ReplicateTags", "s3:ObjectOwnerOverrideToBucketOwner"]
      bucket  = ["s3:GetBucketVersioning"]
      key     = ["kms:Encrypt", "kms:GenerateDataKey"]
    }
  }
}

data "aws_iam_policy_document" "others_bucket" {
  dynamic "statement" {
    for_each = local.others
    content {
      sid       = "${statement.key}Objects"
      actions   = local.other_actions[statement.key].objects
      resources = ["${local.bucket_arn}/*"]

      principals {
        type        = "AWS"
        identifiers = statement.value.accounts
      }
      condition {
        test     = "ArnEquals"
        variable = "aws:PrincipalArn"
        values   = statement.value.roles
      }
    }
  }

  dynamic "statement" {
    for_each = local.others
    content {
      sid       = "${statement.key}Bucket"
      actions   = local.other_actions[statement.key].bucket
      resources = [local.bucket_arn]

      principals {
        type        = "AWS"
        identifiers = statement.value.accounts
      }
      condition {
        test     = "ArnEquals"
        variable = "aws:PrincipalArn"
        values   = statement.value.roles
      }
    }
  }
}

data "aws_iam_policy_document" "others_key" {
  dynamic "statement" {
    for_each = local.others
    content {
      sid       = statement.key
      actions   = local.other_actions[statement.key].key
      resources = ["*"]

      principals {
        type        = "AWS"
        identifiers = statement.value.accounts
      }
      condition {
        test     = "ArnEquals"
        variable = "aws:PrincipalArn"
        values   = statement.value.roles
      }
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["s3.${local.region}.${local.dns_suffix}"]
      }
    }
  }
}
