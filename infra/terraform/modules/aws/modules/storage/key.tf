locals {
  made_key       = var.make_key ? 1 : 0
  object_key_arn = var.object_kms_key_arn != null ? var.object_kms_key_arn : one(aws_kms_key.this[*].arn)
}

# It is kept even if another key is used now: objects that are encrypted with it need it.
resource "aws_kms_key" "this" {
  count = local.made_key

  description             = "Kafka backups, logs, alarms and schedules of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  tags                    = var.tags

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "this" {
  count = local.made_key

  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this[0].key_id
}

resource "aws_kms_key_policy" "this" {
  count = local.made_key

  key_id = aws_kms_key.this[0].key_id
  policy = data.aws_iam_policy_document.key.json
}

data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:in a key policy the resource * is this key
  #checkov:skip=CKV_AWS_111:in a key policy the resource * is this key
  #checkov:skip=CKV_AWS_356:in a key policy the resource * is this key

  source_policy_documents = length(local.others) == 0 ? [] : [data.aws_iam_policy_document.others_key.json]

  # IAM policies decide who in the account can use and manage the key.
  statement {
    sid       = "Account"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }

  # Without the key all backups are lost. A principal with kms:PutKeyPolicy can remove this statement: two steps, with two events in CloudTrail.
  statement {
    sid       = "KeepTheKey"
    effect    = "Deny"
    actions   = ["kms:ScheduleKeyDeletion", "kms:DisableKey"]
    resources = ["*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
    dynamic "condition" {
      for_each = length(var.break_glass_role_arns) == 0 ? [] : [var.break_glass_role_arns]
      content {
        test     = "ArnNotEquals"
        variable = "aws:PrincipalArn"
        values   = condition.value
      }
    }
  }

  dynamic "statement" {
    for_each = length(var.log_group_arns) == 0 ? [] : [var.log_group_arns]
    content {
      sid       = "Logs"
      actions   = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
      resources = ["*"]

      principals {
        type        = "Service"
        identifiers = ["logs.${local.region}.${local.dns_suffix}"]
      }
      condition {
        test     = "ArnEquals"
        variable = "kms:EncryptionContext:aws:logs:arn"
        values   = statement.value
      }
    }
  }

  # The policy of the SNS topic decides which alarms can publish.
  statement {
    sid       = "Alarms"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }
  }
}
