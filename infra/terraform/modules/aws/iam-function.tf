# The policy of a function: its part of the bucket, its part of the cluster, and what Lambda does with its role.

data "aws_iam_policy_document" "function" {
  for_each = local.functions

  source_policy_documents = compact([
    data.aws_iam_policy_document.store[each.key].json,
    data.aws_iam_policy_document.keys[each.key].json,
    data.aws_iam_policy_document.platform[each.key].json,
    try(data.aws_iam_policy_document.secret[each.key].json, ""),
    try(data.aws_iam_policy_document.msk[each.key].json, ""),
    try(data.aws_iam_policy_document.network[each.key].json, ""),
  ])
}

data "aws_iam_policy_document" "store" {
  for_each = local.functions

  statement {
    sid       = "Objects"
    actions   = local.actions[each.key].objects
    resources = local.grants[each.key].objects
  }

  dynamic "statement" {
    for_each = length(local.grants[each.key].checkpoints) == 0 ? [] : [local.grants[each.key].checkpoints]
    content {
      sid       = "Checkpoints"
      actions   = local.actions[each.key].checkpoints
      resources = statement.value
    }
  }

  # No condition on s3:prefix: a GetObject has no prefix, so S3 would return 403 instead of 404 for a missing object.
  statement {
    sid       = "Bucket"
    actions   = local.actions[each.key].bucket
    resources = [local.bucket_arn]
  }
}

# Separate from the store: the ARN of a key that is created in the same run is not known in the plan.
data "aws_iam_policy_document" "keys" {
  for_each = local.functions

  statement {
    sid       = "Key"
    actions   = local.actions[each.key].key
    resources = [local.bucket_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${local.region}.${local.dns_suffix}"]
    }
  }

  # The encryption context of S3 contains the bucket, or the object if it has its own data key. So this allows decrypting this bucket only.
  statement {
    sid       = "EarlierKeys"
    actions   = local.actions[each.key].earlier_keys
    resources = local.readable_key_arns

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${local.region}.${local.dns_suffix}"]
    }
    condition {
      test     = "StringLike"
      variable = "kms:EncryptionContext:aws:s3:arn"
      values   = [local.bucket_arn, "${local.bucket_arn}/*"]
    }
  }
}

data "aws_iam_policy_document" "secret" {
  for_each = { for role, function in local.functions : role => function.kafka if contains(local.secret_auths, function.kafka.auth) }

  statement {
    sid       = "Secret"
    actions   = local.actions[each.key].secret
    resources = [each.value.secret_arn]
  }

  dynamic "statement" {
    for_each = each.value.secret_kms_key_arn == null ? [] : [each.value.secret_kms_key_arn]
    content {
      sid       = "SecretKey"
      actions   = local.actions[each.key].secret_key
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["secretsmanager.${local.region}.${local.dns_suffix}"]
      }
    }
  }
}

data "aws_iam_policy_document" "msk" {
  for_each = local.msk_arns

  statement {
    sid       = "Cluster"
    actions   = local.actions[each.key].cluster
    resources = [local.functions[each.key].kafka.msk_cluster_arn]
  }

  statement {
    sid       = "Topics"
    actions   = local.actions[each.key].topic
    resources = [for topic in local.grants[each.key].topics : "${each.value["topic"]}/${topic}"]
  }

  dynamic "statement" {
    for_each = length(local.grants[each.key].groups) == 0 ? [] : [local.grants[each.key].groups]
    content {
      sid       = "Groups"
      actions   = local.actions[each.key].group
      resources = [for group in statement.value : "${each.value["group"]}/${group}"]
    }
  }

  # Content of snapshots in addition to topics. Nothing without snapshots.
  dynamic "statement" {
    for_each = length(local.grants[each.key].described_groups) == 0 ? [] : [local.grants[each.key].described_groups]
    content {
      sid       = "SnapshotGroups"
      actions   = local.actions[each.key].snapshot_group
      resources = [for group in statement.value : "${each.value["group"]}/${group}"]
    }
  }
  dynamic "statement" {
    for_each = length(local.grants[each.key].described_groups) == 0 ? [] : [true]
    content {
      sid       = "SnapshotCluster"
      actions   = local.actions[each.key].snapshot_cluster
      resources = [local.functions[each.key].kafka.msk_cluster_arn]
    }
  }

  # RESTORE_FINISH. Nothing if it is not set.
  dynamic "statement" {
    for_each = contains(local.grants[each.key].finish, "groups") ? [local.grants[each.key].finished_groups] : []
    content {
      sid       = "FinishGroups"
      actions   = local.actions[each.key].finish_group
      resources = [for group in statement.value : "${each.value["group"]}/${group}"]
    }
  }
  dynamic "statement" {
    for_each = contains(local.grants[each.key].finish, "configs") ? [local.grants[each.key].topics] : []
    content {
      sid       = "FinishTopics"
      actions   = local.actions[each.key].finish_topic
      resources = [for topic in statement.value : "${each.value["topic"]}/${topic}"]
    }
  }
  dynamic "statement" {
    for_each = length(local.grants[each.key].finish) == 0 ? [] : [true]
    content {
      sid = "FinishCluster"
      actions = concat(
        length(setintersection(local.grants[each.key].finish, ["groups", "acls"])) == 0 ? [] : local.actions[each.key].finish_cluster,
        contains(local.grants[each.key].finish, "configs") ? local.actions[each.key].finish_cluster_configs : [],
        contains(local.grants[each.key].finish, "acls") ? local.actions[each.key].finish_acls : []
      )
      resources = [local.functions[each.key].kafka.msk_cluster_arn]
    }
  }

  dynamic "statement" {
    for_each = length(local.grants[each.key].transactions) == 0 ? [] : [local.grants[each.key].transactions]
    content {
      sid       = "Transactions"
      actions   = local.actions[each.key].transaction
      resources = [for id in statement.value : "${each.value["transactional-id"]}/${id}"]
    }
  }
}

data "aws_iam_policy_document" "platform" {
  #checkov:skip=CKV_AWS_111:X-Ray supports no resources
  #checkov:skip=CKV_AWS_356:X-Ray supports no resources
  for_each = local.functions

  statement {
    sid       = "Logs"
    actions   = local.actions.platform.logs
    resources = ["${local.log_group_arns[each.key]}:*"]
  }

  statement {
    sid       = "Tracing"
    actions   = local.actions.platform.tracing
    resources = ["*"]
  }

  statement {
    sid       = "Failures"
    actions   = local.actions.platform.failures
    resources = [local.failures_arn]
  }
}

data "aws_iam_policy_document" "network" {
  #checkov:skip=CKV_AWS_111:Lambda requires these on all resources; the second statement denies them to the code
  #checkov:skip=CKV_AWS_356:Lambda requires these on all resources; the second statement denies them to the code
  for_each = var.network == null ? {} : local.functions

  # Lambda creates the network interfaces with the function's role.
  statement {
    sid       = "Network"
    actions   = local.actions.platform.network
    resources = ["*"]
  }

  # Denied to the code of the function.
  statement {
    sid       = "NotTheCode"
    effect    = "Deny"
    actions   = local.actions.platform.network
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "lambda:SourceFunctionArn"
      values   = [local.function_arns[each.key]]
    }
  }
}
