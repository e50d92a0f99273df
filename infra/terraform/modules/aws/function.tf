resource "aws_cloudwatch_log_group" "this" {
  for_each = local.functions

  name              = "/aws/lambda/${local.function_names[each.key]}"
  retention_in_days = var.log.retention_days
  kms_key_id        = local.key_arn
  tags              = local.tags
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_116:the on-failure destination below receives each failed event with its reason; a dead-letter queue would receive it a second time
  #checkov:skip=CKV_AWS_117:brokers on the internet need no VPC; var.network puts the functions into one
  #checkov:skip=CKV_AWS_272:a signing profile belongs to the account; var.code_signing_config_arn sets it
  for_each = local.functions

  function_name                  = local.function_names[each.key]
  description                    = each.value.description
  role                           = aws_iam_role.function[each.key].arn
  architectures                  = [var.architecture]
  package_type                   = each.value.image_uri == null ? "Zip" : "Image"
  runtime                        = each.value.image_uri == null ? "provided.al2023" : null
  handler                        = each.value.image_uri == null ? "bootstrap" : null
  filename                       = each.value.package_path
  source_code_hash               = try(filebase64sha256(each.value.package_path), null) # a destroy needs no package
  s3_bucket                      = try(each.value.package_s3.bucket, null)
  s3_key                         = try(each.value.package_s3.key, null)
  s3_object_version              = try(each.value.package_s3.version, null)
  image_uri                      = each.value.image_uri
  code_signing_config_arn        = var.code_signing_config_arn
  memory_size                    = each.value.memory_mb
  timeout                        = each.value.timeout_seconds
  reserved_concurrent_executions = var.reserve_concurrency ? each.value.concurrency : -1
  kms_key_arn                    = local.key_arn
  tags                           = local.tags

  environment {
    variables = each.value.environment
  }

  # In JSON mode a level above INFO would drop the metrics, which are log lines too.
  logging_config {
    log_format            = "JSON"
    application_log_level = var.log.level == "DEBUG" ? "DEBUG" : "INFO"
    system_log_level      = "INFO"
    log_group             = aws_cloudwatch_log_group.this[each.key].name
  }

  tracing_config {
    mode = "Active"
  }

  dynamic "vpc_config" {
    for_each = var.network == null ? [] : [var.network]
    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = [aws_security_group.function[0].id]
    }
  }

  lifecycle {
    precondition {
      condition     = each.value.package_path == null || try(fileexists(each.value.package_path), false)
      error_message = "${each.key}.package_path: the file does not exist. Build the package first, or correct the path, which is relative to the directory where terraform runs."
    }
    precondition {
      condition     = each.value.image_uri == null || var.code_signing_config_arn == null
      error_message = "code_signing_config_arn cannot be used with image_uri: Lambda verifies signatures of packages only. Remove one of the two."
    }
    precondition {
      condition     = length(join("", [for key, value in each.value.environment : "${key}${value}"])) <= 4096
      error_message = "The environment of ${local.function_names[each.key]} exceeds 4096 bytes, the limit of Lambda. Use patterns for topics, or several deployments of this module (each with its own name and group_id), or remove ca_pem."
    }
  }

  depends_on = [aws_iam_role_policy.function]
}

# No retries by Lambda: a failed run is reported, and the next tick of the schedule does the work.
resource "aws_lambda_function_event_invoke_config" "this" {
  for_each = local.functions

  function_name                = aws_lambda_function.this[each.key].function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60

  destination_config {
    on_failure {
      destination = aws_sqs_queue.failures.arn
    }
  }
}
