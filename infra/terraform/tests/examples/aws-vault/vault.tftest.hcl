# The example as a user copies it.

variables {
  region         = "eu-central-1"
  vault_role_arn = "arn:aws:iam::210987654321:role/terraform"
  topics         = ["orders", "payments"]
  kafka          = { bootstrap_servers = "b-1.example.com:9096", auth = "SCRAM-SHA-512", secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_backup-AbCdEf" }
  emails         = ["oncall@example.com"]
  packages       = "tests"
}

run "apply" {
  variables {
    drill = { backup_topic = "orders", restore_topic = "orders.drill" }
  }

  assert {
    condition     = module.kafka_backup.environment["backup"].BUCKET_NAME == output.bucket && module.kafka_backup.environment["backup"].S3_SSE_KMS_KEY_ID == output.kms_key_arn
    error_message = "the functions use the vault"
  }
  assert {
    condition     = jsonencode(sort(local.client_role_arns)) == jsonencode(sort([for function in output.functions : replace(function.role_arn, "/:iam::[0-9]*:/", ":iam::123456789012:")]))
    error_message = "the vault allows the roles of the functions: ${jsonencode(local.client_role_arns)}"
  }
  assert {
    condition     = output.kms_key_arn != module.kafka_backup.kms_key_arn
    error_message = "logs and schedules have a key of their own account"
  }
  assert {
    condition     = module.vault.lock.mode == "COMPLIANCE" && module.vault.lock.days == var.expire_days
    error_message = "no one can lift the lock before a segment expires: ${jsonencode(module.vault.lock)}"
  }
}

run "pattern" {
  command = plan
  variables {
    topics = ["orders-*"]
  }
  expect_failures = [var.topics]
}

run "expiry_before_the_transition" {
  command = plan
  variables {
    expire_days = 30
  }
  expect_failures = [var.expire_days]
}

run "bad_input" {
  command = plan
  variables {
    name                  = "Kafka"
    region                = "Frankfurt"
    vault_role_arn        = "terraform"
    break_glass_role_arns = ["arn:aws:iam::210987654321:role/*"]
    drill                 = { backup_topic = "orders", restore_topic = "orders" }
    emails                = []
    packages              = ""
  }
  expect_failures = [var.name, var.region, var.vault_role_arn, var.break_glass_role_arns, var.drill, var.emails, var.packages]
}
