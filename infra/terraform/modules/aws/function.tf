resource "aws_cloudwatch_log_group" "this" {
  for_each = local.functions

  name              = "/aws/lambda/${local.function_names[each.key]}"
  retention_in_days = var.log.retention_days
  kms_key_id        = local.key_arn
  tags              = local.tags
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_116:the on-failure destination below gets each failed event with its reason; a dead-letter queue would get it a second time
  #checkov:skip=CKV_AWS_117:brokers on the internet are reached without a VPC; var.network puts the functions into one
  #checkov:skip=CKV_AWS_272:a signing profile belongs to the account; var.code_signing_config_arn takes one
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
      error_message = "${each.key}.package_path: there is no such file. Build the package first, or correct the path (it is relative to where terraform runs)."
    }
    precondition {
      condition     = each.value.image_uri == null || var.code_signing_config_arn == null
      error_message = "code_signing_config_arn is for packages: Lambda does not sign images. Leave out one of the two."
    }
    precondition {
      condition     = length(join("", [for key, value in each.value.environment : "${key}${value}"])) <= 4096
      error_message = "The environment of ${local.function_names[each.key]} is longer than the 4096 bytes that Lambda allows. Take topics by patterns, or spread them over several deployments of this module (each with its own name and group_id), or leave out ca_pem."
    }
  }

  depends_on = [aws_iam_role_policy.function]
}

# The schedule comes back soon enough: a failed run is not repeated, it is reported.
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
