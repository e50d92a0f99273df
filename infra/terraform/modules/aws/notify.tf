locals {
  made_topic  = var.alarms.enabled && var.alarms.topic == null ? 1 : 0
  alarm_topic = !var.alarms.enabled ? [] : var.alarms.topic == null ? [aws_sns_topic.alarms[0].arn] : [var.alarms.topic.arn]
}

resource "aws_sns_topic" "alarms" {
  count = local.made_topic

  name              = "${var.name}-alarms"
  kms_master_key_id = local.key_arn
  tags              = local.tags
}

resource "aws_sns_topic_policy" "alarms" {
  count = local.made_topic

  arn    = aws_sns_topic.alarms[0].arn
  policy = data.aws_iam_policy_document.alarms[0].json
}

data "aws_iam_policy_document" "alarms" {
  count = local.made_topic

  statement {
    sid       = "Alarms"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms[0].arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.name}-*"]
    }
  }

  statement {
    sid       = "DenyPlainHttp"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms[0].arn]

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
}

resource "aws_sns_topic_subscription" "email" {
  for_each = local.made_topic == 1 ? toset(var.alarms.emails) : toset([])

  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = "email"
  endpoint  = each.key
}

check "alarms_are_heard" {
  assert {
    condition     = local.made_topic == 0 || length(var.alarms.emails) > 0
    error_message = "The alarms have no recipient: alarms.emails is empty, and the created SNS topic has no other subscriber. Set alarms.emails or alarms.topic, or set alarms.enabled = false."
  }
}
