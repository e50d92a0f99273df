# Roles and policies. actions.json has the actions and the call that needs each. The resources are here.

locals {
  actions = {
    for role, subjects in jsondecode(file("${path.module}/actions.json")) : role => {
      for subject, actions in subjects : subject => keys(actions)
    } if !contains(["about", "not_granted"], role)
  }

  log_group_arns = {
    for role, name in local.function_names : role => "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${name}"
  }
  function_arns = {
    for role, name in local.function_names : role => "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${name}"
  }

  # Resources in the policies of the functions, by role. `*` and `?` of a glob are also wildcards of IAM.
  grants = {
    backup = {
      objects      = ["${local.bucket_arn}/${local.prefix}*"]
      checkpoints  = []
      topics       = var.msk_topic_patterns == null ? var.topics : var.msk_topic_patterns
      groups       = [var.group_id]
      transactions = []
      # Groups whose offsets are in snapshots. IAM does not support regular expressions.
      described_groups = (
        var.backup.snapshot_seconds == 0 ? []
        : anytrue([for group in var.backup.consumer_groups : startswith(group, "^")]) ? ["*"] : var.backup.consumer_groups
      )
      finish          = []
      finished_groups = []
    }
    restore = var.restore == null ? null : {
      # All generations of the topics, to find the newest, and because one can continue another. Snapshots. Then the objects of the restore itself,
      # the claims of target topics, and whether their restores have finished.
      objects = concat(
        distinct(flatten([for entry in local.granted : startswith(entry, "^") ? ["${local.bucket_arn}/${local.prefix}*"] : concat(
          ["${local.bucket_arn}/${local.prefix}${split("@", entry)[0]}/*"],
          endswith(entry, "@1") ? [] : ["${local.bucket_arn}/${local.prefix}${split("@", entry)[0]}@*/*"],
        )])),
        ["${local.bucket_arn}/${local.prefix}@cluster/*", "${local.bucket_arn}/${local.prefix}@restore/*"],
      )
      checkpoints = [
        "${local.bucket_arn}/${local.prefix}@restore/${local.restore_id}/*",
        "${local.bucket_arn}/${local.prefix}@restore/@target/*",
      ]
      # IAM does not support regular expressions.
      topics = distinct([for entry in local.granted : replace(var.restore.restore_topic, "{topic}", startswith(entry, "^") ? "*" : split("@", entry)[0])])
      # One group and one transactional id for each source partition.
      described_groups = []
      groups           = var.restore.delivery == "exactly-once" ? ["kafka-backup-restore.${local.restore_id}.*"] : []
      transactions     = var.restore.delivery == "exactly-once" ? ["kafka-backup-restore.${local.restore_id}.*"] : []
      # RESTORE_FINISH.
      finish          = contains(var.restore.finish, "all") ? ["groups", "configs", "acls"] : var.restore.finish
      finished_groups = anytrue([for group in var.restore.groups : startswith(group, "^")]) ? ["*"] : var.restore.groups
    }
  }

  # arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID → arn:aws:kafka:REGION:ACCOUNT:topic/NAME/UUID
  msk_arns = {
    for role, function in local.functions : role => {
      for kind in ["topic", "group", "transactional-id"] : kind => replace(function.kafka.msk_cluster_arn, ":cluster/", ":${kind}/")
    } if function.kafka.auth == "MSK_IAM"
  }

  # Upper limit of the size without white space, as IAM counts it. The ARN of a key or secret is not known before the first apply. Statements with
  # them count with their maximum length, so that a policy that is too long is refused in the plan.
  policy_sizes = { for role in local.roles : role => 1300 + 100 * length(var.old_kms_key_arns) + sum([
    for document in [
      data.aws_iam_policy_document.store[role].json, data.aws_iam_policy_document.platform[role].json,
      try(data.aws_iam_policy_document.msk[role].json, "{}"), try(data.aws_iam_policy_document.network[role].json, "{}"),
    ] : length(jsonencode(jsondecode(document)))
  ]) }
}

data "aws_iam_policy_document" "trust" {
  for_each = toset(["lambda", "scheduler"])

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }

    # Scheduler sends the group of schedules as aws:SourceArn. Lambda sends no source.
    dynamic "condition" {
      for_each = each.key == "scheduler" ? {
        "aws:SourceAccount" = local.account
        "aws:SourceArn"     = aws_scheduler_schedule_group.this.arn
      } : {}
      content {
        test     = "StringEquals"
        variable = condition.key
        values   = [condition.value]
      }
    }
  }
}

resource "aws_iam_role" "function" {
  for_each = local.functions

  name                 = local.function_names[each.key]
  description          = "Role of the function ${local.function_names[each.key]}"
  assume_role_policy   = data.aws_iam_policy_document.trust["lambda"].json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = local.tags
}

resource "aws_iam_role_policy" "function" {
  #checkov:skip=CKV_AWS_290:only X-Ray and network interfaces have no resource, and the code is denied the latter; the check sees rendered policies
  for_each = local.functions

  name   = "function"
  role   = aws_iam_role.function[each.key].name
  policy = data.aws_iam_policy_document.function[each.key].json

  lifecycle {
    precondition {
      condition     = local.policy_sizes[each.key] <= 10240
      error_message = "The policy of ${local.function_names[each.key]} has up to ${local.policy_sizes[each.key]} characters, and IAM allows 10240. Set msk_topic_patterns to patterns such as orders-*, or use patterns in topics."
    }
  }
}

resource "aws_iam_role" "scheduler" {
  name                 = "${var.name}-scheduler"
  description          = "Role of the schedules of ${var.name}"
  assume_role_policy   = data.aws_iam_policy_document.trust["scheduler"].json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = local.tags
}

resource "aws_iam_role_policy" "scheduler" {
  name   = "scheduler"
  role   = aws_iam_role.scheduler.name
  policy = data.aws_iam_policy_document.scheduler.json
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    sid       = "Invoke"
    actions   = local.actions.scheduler.function
    resources = [for role in keys(local.functions) : local.function_arns[role]]
  }
  statement {
    sid       = "Failures"
    actions   = local.actions.scheduler.failures
    resources = [local.failures_arn]
  }
  statement {
    sid       = "Key"
    actions   = local.actions.scheduler.key
    resources = [local.key_arn]
  }
}
