# The rendered policies: exactly these actions on exactly these resources. An additional or missing statement or a wider resource fails.

provider "aws" {
  region = "eu-central-1"
}

variables {
  alarms = { emails = ["oncall@example.com"] }
  name   = "kb"
  topics = ["orders", "payments"]
  kafka = {
    bootstrap_servers = "b-1.example.com:9098"
    msk_cluster_arn   = "arn:aws:kafka:eu-central-1:123456789012:cluster/events/1d3a-7"
  }
  backup  = { package_path = "tests/package.zip" }
  restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders.restored", id = "drill-1" }
  bucket  = { name = "vault", prefix = "kafka" }
  kms_key = { arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555" }

  make_kms_key     = false
  old_kms_key_arns = ["arn:aws:kms:eu-central-1:210987654321:key/22222222-2222-3333-4444-555555555555"]
}

run "backup" {
  assert {
    condition = jsonencode({ for statement in jsondecode(aws_iam_role_policy.function["backup"].policy).Statement : statement.Sid => {
      allow = statement.Effect == "Allow", actions = sort(flatten([statement.Action])), resources = sort(flatten([statement.Resource])), condition = jsonencode(try(statement.Condition, null))
      } }) == jsonencode({
      Objects = {
        allow     = true, condition = "null"
        actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
        resources = ["arn:aws:s3:::vault/kafka/*"]
      }
      Bucket = {
        allow     = true, condition = "null"
        actions   = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]
        resources = ["arn:aws:s3:::vault"]
      }
      Key = {
        allow     = true, condition = "{\"StringEquals\":{\"kms:ViaService\":\"s3.eu-central-1.amazonaws.com\"}}"
        actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
        resources = ["arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"]
      }
      EarlierKeys = {
        allow     = true, condition = "{\"StringEquals\":{\"kms:ViaService\":\"s3.eu-central-1.amazonaws.com\"},\"StringLike\":{\"kms:EncryptionContext:aws:s3:arn\":[\"arn:aws:s3:::vault\",\"arn:aws:s3:::vault/*\"]}}"
        actions   = ["kms:Decrypt"]
        resources = ["arn:aws:kms:eu-central-1:123456789012:key/*", "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555", "arn:aws:kms:eu-central-1:210987654321:key/22222222-2222-3333-4444-555555555555"]
      }
      Logs = {
        allow     = true, condition = "null"
        actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        resources = ["arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/kb-backup:*"]
      }
      Tracing = {
        allow     = true, condition = "null"
        actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        resources = ["*"]
      }
      Failures = {
        allow     = true, condition = "null"
        actions   = ["sqs:SendMessage"]
        resources = ["arn:aws:sqs:eu-central-1:123456789012:kb-failures"]
      }
      Cluster = {
        allow     = true, condition = "null"
        actions   = ["kafka-cluster:Connect"]
        resources = ["arn:aws:kafka:eu-central-1:123456789012:cluster/events/1d3a-7"]
      }
      Topics = {
        allow   = true, condition = "null"
        actions = ["kafka-cluster:DescribeTopic", "kafka-cluster:DescribeTopicDynamicConfiguration", "kafka-cluster:ReadData"]
        resources = [
          "arn:aws:kafka:eu-central-1:123456789012:topic/events/1d3a-7/orders",
          "arn:aws:kafka:eu-central-1:123456789012:topic/events/1d3a-7/payments",
        ]
      }
      Groups = {
        allow     = true, condition = "null"
        actions   = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"]
        resources = ["arn:aws:kafka:eu-central-1:123456789012:group/events/1d3a-7/kafka-backup"]
      }
      SnapshotGroups = {
        allow     = true, condition = "null"
        actions   = ["kafka-cluster:DescribeGroup"]
        resources = ["arn:aws:kafka:eu-central-1:123456789012:group/events/1d3a-7/*"]
      }
      SnapshotCluster = {
        allow     = true, condition = "null"
        actions   = ["kafka-cluster:DescribeCluster"]
        resources = ["arn:aws:kafka:eu-central-1:123456789012:cluster/events/1d3a-7"]
      }
    })
    error_message = "policy of the backup: ${aws_iam_role_policy.function["backup"].policy}"
  }
}

run "restore" {
  assert {
    condition = jsonencode({ for statement in jsondecode(aws_iam_role_policy.function["restore"].policy).Statement : statement.Sid => {
      allow = statement.Effect == "Allow", actions = sort(flatten([statement.Action])), resources = sort(flatten([statement.Resource]))
      } if !contains(["Key", "EarlierKeys", "Logs", "Tracing", "Failures"], statement.Sid) }) == jsonencode({
      Objects = {
        allow     = true
        actions   = ["s3:GetObject"]
        resources = ["arn:aws:s3:::vault/kafka/@cluster/*", "arn:aws:s3:::vault/kafka/@restore/*", "arn:aws:s3:::vault/kafka/orders/*", "arn:aws:s3:::vault/kafka/orders@*/*"]
      }
      Checkpoints = {
        allow     = true
        actions   = ["s3:PutObject"]
        resources = ["arn:aws:s3:::vault/kafka/@restore/@target/*", "arn:aws:s3:::vault/kafka/@restore/drill-1/*"]
      }
      Bucket = {
        allow     = true
        actions   = ["s3:ListBucket"]
        resources = ["arn:aws:s3:::vault"]
      }
      Cluster = {
        allow     = true
        actions   = ["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"]
        resources = ["arn:aws:kafka:eu-central-1:123456789012:cluster/events/1d3a-7"]
      }
      Topics = {
        allow = true
        actions = [
          "kafka-cluster:CreateTopic", "kafka-cluster:DescribeTopic", "kafka-cluster:DescribeTopicDynamicConfiguration", "kafka-cluster:ReadData", "kafka-cluster:WriteData",
        ]
        resources = ["arn:aws:kafka:eu-central-1:123456789012:topic/events/1d3a-7/orders.restored"]
      }
      Groups = {
        allow     = true
        actions   = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"]
        resources = ["arn:aws:kafka:eu-central-1:123456789012:group/events/1d3a-7/kafka-backup-restore.drill-1.*"]
      }
      Transactions = {
        allow     = true
        actions   = ["kafka-cluster:AlterTransactionalId", "kafka-cluster:DescribeTransactionalId"]
        resources = ["arn:aws:kafka:eu-central-1:123456789012:transactional-id/events/1d3a-7/kafka-backup-restore.drill-1.*"]
      }
    })
    error_message = "policy of the restore: ${aws_iam_role_policy.function["restore"].policy}"
  }
}

run "groups_of_snapshots" {
  variables {
    backup = { package_path = "tests/package.zip", consumer_groups = ["billing", "orders-*"] }
  }

  assert {
    condition = jsonencode(one([for statement in jsondecode(output.policies["backup"]).Statement : sort(flatten([statement.Resource])) if statement.Sid == "SnapshotGroups"])) == jsonencode([
      "arn:aws:kafka:eu-central-1:123456789012:group/events/1d3a-7/billing", "arn:aws:kafka:eu-central-1:123456789012:group/events/1d3a-7/orders-*",
    ])
    error_message = "only the groups that are in snapshots"
  }
}

run "groups_by_regular_expression" {
  variables {
    backup = { package_path = "tests/package.zip", consumer_groups = ["billing", "^orders-[0-9]+"] }
  }

  assert {
    condition     = endswith(one([for statement in jsondecode(output.policies["backup"]).Statement : one(flatten([statement.Resource])) if statement.Sid == "SnapshotGroups"]), ":group/events/1d3a-7/*")
    error_message = "IAM knows no regular expressions"
  }
}

run "no_snapshots" {
  variables {
    backup = { package_path = "tests/package.zip", snapshot_seconds = 0 }
  }

  assert {
    condition     = length([for statement in jsondecode(output.policies["backup"]).Statement : statement if startswith(statement.Sid, "Snapshot")]) == 0
    error_message = "no snapshots, no rights for them"
  }
}

run "trust_and_scheduler" {
  assert {
    condition = jsonencode(jsondecode(aws_iam_role.scheduler.assume_role_policy).Statement) == jsonencode([{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = { StringEquals = {
        "aws:SourceAccount" = "123456789012"
        "aws:SourceArn"     = "arn:aws:scheduler:eu-central-1:123456789012:schedule-group/kb"
      } }
    }])
    error_message = "trust of the scheduler's role: ${aws_iam_role.scheduler.assume_role_policy}"
  }
  assert {
    condition     = alltrue([for role in aws_iam_role.function : jsondecode(role.assume_role_policy).Statement == [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]])
    error_message = "only Lambda can assume the roles of the functions"
  }
  assert {
    condition = jsonencode({ for statement in jsondecode(aws_iam_role_policy.scheduler.policy).Statement : flatten([statement.Action])[0] => sort(flatten([statement.Resource])) }) == jsonencode({
      "lambda:InvokeFunction" = ["arn:aws:lambda:eu-central-1:123456789012:function:kb-backup", "arn:aws:lambda:eu-central-1:123456789012:function:kb-restore"]
      "sqs:SendMessage"       = ["arn:aws:sqs:eu-central-1:123456789012:kb-failures"]
      "kms:Decrypt"           = ["arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"]
    })
    error_message = "policy of the scheduler: ${aws_iam_role_policy.scheduler.policy}"
  }
  assert {
    condition     = output.made_kms_key_arn == null && output.kms_key_arn == var.kms_key.arn
    error_message = "your own key is used, and none is created"
  }
}

run "secret_instead_of_iam" {
  variables {
    kafka = {
      bootstrap_servers  = "b-1.example.com:9096"
      auth               = "SCRAM-SHA-512"
      secret_arn         = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_backup-a1b2c3"
      secret_kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"
    }
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders.restored", delivery = "at-least-once" }
  }

  assert {
    condition = alltrue([for role in ["backup", "restore"] : {
      for statement in jsondecode(output.policies[role]).Statement : statement.Sid => [statement.Action, statement.Resource] if startswith(statement.Sid, "Secret")
      } == {
      Secret    = ["secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_backup-a1b2c3"]
      SecretKey = ["kms:Decrypt", "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"]
    }])
    error_message = "exactly one secret and its key: ${output.policies["backup"]}"
  }
  assert {
    condition     = !strcontains(output.policies["backup"], "kafka-cluster:") && !strcontains(output.policies["restore"], "kafka-cluster:")
    error_message = "with a password IAM has no say in the cluster"
  }
}

run "at_least_once_needs_no_transactions" {
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders.restored", delivery = "at-least-once" }
  }

  assert {
    condition     = length([for statement in jsondecode(output.policies["restore"]).Statement : statement if contains(["Groups", "Transactions"], statement.Sid)]) == 0
    error_message = "no group and no transactional id without transactions"
  }
}

run "a_cluster_is_restored" {
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders@1", "users", "pay*"], restore_topic = "dr.{topic}", id = "drill-1" }
  }

  assert {
    condition = jsonencode([for statement in jsondecode(output.policies["restore"]).Statement : sort(flatten([statement.Resource])) if statement.Sid == "Objects"]) == jsonencode([[
      "arn:aws:s3:::vault/kafka/@cluster/*",
      "arn:aws:s3:::vault/kafka/@restore/*",
      "arn:aws:s3:::vault/kafka/orders/*",
      "arn:aws:s3:::vault/kafka/pay*/*",
      "arn:aws:s3:::vault/kafka/pay*@*/*",
      "arn:aws:s3:::vault/kafka/users/*",
      "arn:aws:s3:::vault/kafka/users@*/*",
    ]])
    error_message = "the topics' own objects: ${output.policies["restore"]}"
  }
  assert {
    condition = jsonencode([for statement in jsondecode(output.policies["restore"]).Statement : sort(flatten([statement.Resource])) if statement.Sid == "Topics"]) == jsonencode([[
      "arn:aws:kafka:eu-central-1:123456789012:topic/events/1d3a-7/dr.orders",
      "arn:aws:kafka:eu-central-1:123456789012:topic/events/1d3a-7/dr.pay*",
      "arn:aws:kafka:eu-central-1:123456789012:topic/events/1d3a-7/dr.users",
    ]])
    error_message = "the topics that they are restored into: ${output.policies["restore"]}"
  }
}

run "a_restore_is_finished" {
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill-1", groups = ["billing", "shop-*"], finish = ["all"] }
  }

  assert {
    condition = jsonencode({ for statement in jsondecode(output.policies["restore"]).Statement : statement.Sid => [
      sort(flatten([statement.Action])), sort(flatten([statement.Resource]))
      ] if startswith(statement.Sid, "Finish") }) == jsonencode({
      FinishCluster = [
        ["kafka-cluster:AlterCluster", "kafka-cluster:DescribeCluster", "kafka-cluster:DescribeClusterDynamicConfiguration"],
        ["arn:aws:kafka:eu-central-1:123456789012:cluster/events/1d3a-7"],
      ]
      FinishGroups = [
        ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"],
        ["arn:aws:kafka:eu-central-1:123456789012:group/events/1d3a-7/billing", "arn:aws:kafka:eu-central-1:123456789012:group/events/1d3a-7/shop-*"],
      ]
      FinishTopics = [
        ["kafka-cluster:AlterTopicDynamicConfiguration"], ["arn:aws:kafka:eu-central-1:123456789012:topic/events/1d3a-7/dr.*"],
      ]
    })
    error_message = "what finish needs: ${output.policies["restore"]}"
  }
}

# Whether a topic that inherits its retention would lose records, only the brokers' own configs tell.
run "only_configs_are_finished" {
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill-1", finish = ["configs"] }
  }

  assert {
    condition = jsonencode({ for statement in jsondecode(output.policies["restore"]).Statement : statement.Sid => sort(flatten([statement.Action])) if startswith(statement.Sid, "Finish") }) == jsonencode({
      FinishCluster = ["kafka-cluster:DescribeClusterDynamicConfiguration"]
      FinishTopics  = ["kafka-cluster:AlterTopicDynamicConfiguration"]
    })
    error_message = "neither groups nor access control lists: ${output.policies["restore"]}"
  }
}

run "only_groups_are_finished" {
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["*"], restore_topic = "dr.{topic}", id = "drill-1", groups = ["^billing-[0-9]+"], finish = ["groups"] }
  }

  assert {
    condition = jsonencode({ for statement in jsondecode(output.policies["restore"]).Statement : statement.Sid => [
      sort(flatten([statement.Action])), sort(flatten([statement.Resource]))
      ] if startswith(statement.Sid, "Finish") }) == jsonencode({
      FinishCluster = [["kafka-cluster:DescribeCluster"], ["arn:aws:kafka:eu-central-1:123456789012:cluster/events/1d3a-7"]]
      FinishGroups  = [["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"], ["arn:aws:kafka:eu-central-1:123456789012:group/events/1d3a-7/*"]]
    })
    error_message = "neither configs nor access control lists, and IAM knows no regular expressions: ${output.policies["restore"]}"
  }
}

run "a_regular_expression_is_restored" {
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["^orders-[0-9]+"], restore_topic = "dr.{topic}", id = "drill-1" }
  }

  assert {
    condition = (
      contains(flatten([for statement in jsondecode(output.policies["restore"]).Statement : statement.Resource if statement.Sid == "Objects"]), "arn:aws:s3:::vault/kafka/*")
      && contains(flatten([for statement in jsondecode(output.policies["restore"]).Statement : statement.Resource if statement.Sid == "Topics"]), "arn:aws:kafka:eu-central-1:123456789012:topic/events/1d3a-7/dr.*")
    )
    error_message = "what IAM cannot say in a narrower way: ${output.policies["restore"]}"
  }
}

run "topics_by_pattern" {
  variables {
    msk_topic_patterns = ["shop.*", "audit"]
  }

  assert {
    condition = jsonencode([for statement in jsondecode(output.policies["backup"]).Statement : sort(statement.Resource) if statement.Sid == "Topics"]) == jsonencode([[
      "arn:aws:kafka:eu-central-1:123456789012:topic/events/1d3a-7/audit",
      "arn:aws:kafka:eu-central-1:123456789012:topic/events/1d3a-7/shop.*",
    ]])
    error_message = "patterns replace the topics"
  }
}

run "globs_are_wildcards_of_arns" {
  variables {
    topics         = ["audit", "shop.*", "eu-??"]
    exclude_topics = ["shop.test"]
  }

  assert {
    condition = jsonencode([for statement in jsondecode(output.policies["backup"]).Statement : sort(statement.Resource) if statement.Sid == "Topics"]) == jsonencode([[
      "arn:aws:kafka:eu-central-1:123456789012:topic/events/1d3a-7/audit",
      "arn:aws:kafka:eu-central-1:123456789012:topic/events/1d3a-7/eu-??",
      "arn:aws:kafka:eu-central-1:123456789012:topic/events/1d3a-7/shop.*",
    ]])
    error_message = "names and globs are used as they are"
  }
}

run "regular_expression_with_arns_for_it" {
  variables {
    topics             = ["^orders-[0-9]+", "shop.*"]
    msk_topic_patterns = ["orders-*", "sh?p*"]
  }

  assert {
    condition = jsonencode([for statement in jsondecode(output.policies["backup"]).Statement : sort(statement.Resource) if statement.Sid == "Topics"]) == jsonencode([[
      "arn:aws:kafka:eu-central-1:123456789012:topic/events/1d3a-7/orders-*",
      "arn:aws:kafka:eu-central-1:123456789012:topic/events/1d3a-7/sh?p*",
    ]])
    error_message = "msk_topic_patterns say what a regular expression cannot say to IAM"
  }
}

run "regular_expression_without_arns" {
  command = plan
  variables {
    topics = ["orders", "^orders-[0-9]+"]
  }
  expect_failures = [var.msk_topic_patterns]
}

run "glob_that_the_role_does_not_cover" {
  command = plan
  variables {
    topics             = ["orders", "shop*"]
    msk_topic_patterns = ["orders", "shop?", "shop.*"]
  }
  expect_failures = [var.msk_topic_patterns]
}

# Before the first apply: neither the queue nor the key exists.
run "ninety_topics_are_refused_by_the_plan" {
  command = plan
  variables {
    topics       = [for number in range(90) : "a-topic-with-a-name-as-people-have-them-${number}"]
    kms_key      = null
    make_kms_key = true
  }
  expect_failures = [aws_iam_role_policy.function]
}

run "a_policy_is_never_longer_than_it_is_counted" {
  variables {
    kafka = {
      bootstrap_servers  = "b-1.example.com:9096", auth = "SCRAM-SHA-512"
      secret_arn         = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_backup-with-a-long-name-AbCdEf"
      secret_kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555"
    }
    kms_key      = null
    make_kms_key = true
    network = {
      vpc_id            = "vpc-0123456789abcdef0", subnet_ids = ["subnet-0123456789abcdef0"], broker_cidrs = ["10.0.0.0/16"]
      s3_prefix_list_id = "pl-0123456789abcdef0", secrets_endpoint = true
    }
  }

  assert {
    condition     = alltrue([for role, policy in { for role in ["backup", "restore"] : role => output.policies[role] } : length(jsonencode(jsondecode(policy))) <= local.policy_sizes[role] && local.policy_sizes[role] - length(jsonencode(jsondecode(policy))) < 1000])
    error_message = "counted: ${jsonencode(local.policy_sizes)}, policies: ${jsonencode({ for role in ["backup", "restore"] : role => length(jsonencode(jsondecode(output.policies[role]))) })}"
  }
}
