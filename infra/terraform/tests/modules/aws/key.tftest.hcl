# A key that is changed later: older objects stay readable, and the created key is kept.

provider "aws" {
  region = "eu-central-1"
}

variables {
  alarms  = { emails = ["oncall@example.com"] }
  name    = "kb"
  topics  = ["orders"]
  kafka   = { bootstrap_servers = "broker.example.com:9092", auth = "PLAINTEXT" }
  backup  = { package_path = "tests/package.zip" }
  restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders.restored" }
}

run "made" {
  assert {
    condition     = output.kms_key_arn == output.made_kms_key_arn && output.environment["backup"].S3_SSE_KMS_KEY_ID == output.made_kms_key_arn
    error_message = "the created key is used"
  }
}

run "another_key_takes_over" {
  command = plan
  variables {
    kms_key = { arn = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555" }
  }

  assert {
    condition     = output.environment["backup"].S3_SSE_KMS_KEY_ID == var.kms_key.arn && output.kms_key_arn == var.kms_key.arn
    error_message = "new objects get the new key"
  }
  assert {
    condition     = output.made_kms_key_arn == run.made.made_kms_key_arn && output.bucket_name == run.made.bucket_name
    error_message = "no resource with data is destroyed"
  }
  assert {
    condition = alltrue([for role in ["backup", "restore"] : anytrue([
      for statement in jsondecode(aws_iam_role_policy.function[role].policy).Statement :
      statement.Effect == "Allow" && contains(flatten([statement.Action]), "kms:Decrypt") && contains(flatten([statement.Resource]), run.made.made_kms_key_arn)
    ])])
    error_message = "every role still reads with the old key"
  }
}

run "a_third_key_takes_over" {
  command = plan
  variables {
    kms_key = { arn = "arn:aws:kms:eu-central-1:123456789012:key/33333333-2222-3333-4444-555555555555" }
  }

  # The second key is in no variable now. Objects that keys of this account have encrypted stay readable.
  assert {
    condition = alltrue([for role in ["backup", "restore"] : anytrue([
      for statement in jsondecode(aws_iam_role_policy.function[role].policy).Statement :
      statement.Effect == "Allow" && contains(flatten([statement.Action]), "kms:Decrypt") && contains(flatten([statement.Resource]), "arn:aws:kms:eu-central-1:123456789012:key/*")
      && jsonencode(sort(try(statement.Condition.StringLike["kms:EncryptionContext:aws:s3:arn"], []))) == jsonencode([output.bucket_arn, "${output.bucket_arn}/*"])
    ])])
    error_message = "a key that is in no variable revokes no right: ${aws_iam_role_policy.function["backup"].policy}"
  }
}
