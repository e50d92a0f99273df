# The settings of the functions for bucket and keys, and their rights after a key was changed.

provider "aws" {
  region = "eu-central-1"
}

variables {
  alarms = { emails = ["oncall@example.com"] }
  name   = "kb"
  topics = ["orders", "payments"]
  kafka  = { bootstrap_servers = "broker.example.com:9092", auth = "PLAINTEXT" }
  backup = { package_path = "tests/package.zip" }
}

run "a_key_of_the_buckets_own" {
  variables {
    bucket = { kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555" }
  }

  assert {
    condition = alltrue([
      output.environment["backup"].S3_SSE_KMS_KEY_ID == var.bucket.kms_key_arn,
      length([for statement in jsondecode(output.policies["backup"]).Statement : true if statement.Sid == "Key" && statement.Resource == var.bucket.kms_key_arn]) == 1,
      output.kms_key_arn != var.bucket.kms_key_arn,
    ])
    error_message = "the bucket's own key is used for objects, and only for them"
  }
}

run "bucket_that_exists" {
  variables {
    bucket = { name = "vault", create = false }
  }

  assert {
    condition     = output.bucket_arn == "arn:aws:s3:::vault" && output.environment["backup"].BUCKET_NAME == "vault"
    error_message = "a bucket that exists is used"
  }
}
