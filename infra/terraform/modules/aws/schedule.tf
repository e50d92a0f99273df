resource "aws_scheduler_schedule_group" "this" {
  name = var.name
  tags = local.tags
}

locals {
  # Delivery is retried, because duplicates and overlaps are safe, but not until the next tick.
  delivery = { attempts = 3, age_seconds = 60 }
}

resource "aws_scheduler_schedule" "backup" {
  count = var.schedule.shards

  name                         = "${local.function_names.backup}-${count.index}"
  description                  = "Shard ${count.index} of ${var.schedule.shards} of ${local.function_names.backup}"
  group_name                   = aws_scheduler_schedule_group.this.name
  schedule_expression          = var.schedule.expression
  schedule_expression_timezone = var.schedule.timezone
  state                        = var.schedule.enabled ? "ENABLED" : "DISABLED"
  kms_key_arn                  = local.key_arn

  flexible_time_window {
    mode                      = var.schedule.window_minutes == 0 ? "OFF" : "FLEXIBLE"
    maximum_window_in_minutes = var.schedule.window_minutes == 0 ? null : var.schedule.window_minutes
  }

  target {
    arn      = aws_lambda_function.this["backup"].arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode({ shard = count.index, of = var.schedule.shards })

    retry_policy {
      maximum_retry_attempts       = local.delivery.attempts
      maximum_event_age_in_seconds = local.delivery.age_seconds
    }
    dead_letter_config {
      arn = aws_sqs_queue.failures.arn
    }
  }

  depends_on = [aws_iam_role_policy.scheduler, aws_lambda_function_event_invoke_config.this]
}

resource "aws_scheduler_schedule" "restore" {
  count = var.restore == null ? 0 : var.restore.shards

  name                = var.restore.shards == 1 ? local.function_names.restore : "${local.function_names.restore}-${count.index}"
  description         = "Runs shard ${count.index} of ${var.restore.shards} of ${local.function_names.restore} until the restore has finished"
  group_name          = aws_scheduler_schedule_group.this.name
  schedule_expression = var.restore.expression
  state               = var.restore.enabled ? "ENABLED" : "DISABLED"
  kms_key_arn         = local.key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.this["restore"].arn
    role_arn = aws_iam_role.scheduler.arn
    input    = var.restore.shards == 1 ? "{}" : jsonencode({ shard = count.index, of = var.restore.shards })

    retry_policy {
      maximum_retry_attempts       = local.delivery.attempts
      maximum_event_age_in_seconds = local.delivery.age_seconds
    }
    dead_letter_config {
      arn = aws_sqs_queue.failures.arn
    }
  }

  depends_on = [aws_iam_role_policy.scheduler, aws_lambda_function_event_invoke_config.this]
}
