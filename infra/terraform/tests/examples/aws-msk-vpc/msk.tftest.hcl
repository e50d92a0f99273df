# The example as a user copies it.

variables {
  region                   = "eu-central-1"
  cluster_name             = "production"
  vpc_id                   = "vpc-0123456789abcdef0"
  broker_security_group_id = "sg-0123456789abcdef0"
  topics                   = ["orders", "payments"]
  emails                   = ["oncall@example.com"]
  packages                 = "tests"
}

run "apply" {
  assert {
    condition     = length(output.schedules) == 4 && keys(output.functions) == ["backup"]
    error_message = "four shards, and no resource that can write to Kafka"
  }
  assert {
    condition     = module.kafka_backup.environment["backup"].KAFKA_AUTH == "MSK_IAM" && strcontains(module.kafka_backup.environment["backup"].BOOTSTRAP_SERVERS, ":9098")
    error_message = "logs in with its role, at the cluster's IAM port"
  }
  assert {
    condition     = strcontains(module.kafka_backup.policies["backup"], ":topic/production/") && !strcontains(module.kafka_backup.policies["backup"], "secretsmanager")
    error_message = "can read topics of this cluster, and no secret"
  }
  assert {
    condition     = output.security_group_id != null
    error_message = "in the VPC"
  }
}

run "drill" {
  variables {
    drill = { backup_topic = "orders", restore_topic = "orders.drill", id = "drill-2026-11" }
  }

  assert {
    condition     = keys(output.functions) == ["backup", "restore"] && module.kafka_backup.environment["restore"].RESTORE_ID == "drill-2026-11"
    error_message = "a drill deploys the restore"
  }
}

run "topics_by_pattern" {
  variables {
    topics             = ["^orders-[0-9]+", "payments-*"]
    exclude_topics     = ["*-test"]
    msk_topic_patterns = ["orders-*", "payments-*"]
    expire_days        = null
  }

  assert {
    condition     = module.kafka_backup.environment["backup"].TOPIC_NAMES == "^orders-[0-9]+,payments-*" && module.kafka_backup.environment["backup"].EXCLUDE_TOPIC_NAMES == "*-test"
    error_message = "patterns, less what is excluded"
  }
  assert {
    condition     = strcontains(module.kafka_backup.policies["backup"], "/orders-*") && !strcontains(module.kafka_backup.policies["backup"], "/^orders")
    error_message = "can read what the patterns match"
  }
}

run "expiry_of_a_pattern" {
  command = plan
  variables {
    topics = ["payments-*"]
  }
  expect_failures = [var.expire_days]
}

run "no_pattern_for_the_role" {
  command = plan
  variables {
    exclude_topics     = [""]
    msk_topic_patterns = []
  }
  expect_failures = [var.exclude_topics, var.msk_topic_patterns]
}

run "somebody_on_call" {
  variables {
    alarm_topic_arn = "arn:aws:sns:eu-central-1:123456789012:oncall"
    emails          = []
  }

  assert {
    condition     = output.alarm_topic_arn == "arn:aws:sns:eu-central-1:123456789012:oncall"
    error_message = "alarms go where they are sent"
  }
}

run "addresses_beside_a_topic_that_exists" {
  command = plan
  variables {
    alarm_topic_arn = "arn:aws:sns:eu-central-1:123456789012:oncall"
  }
  expect_failures = [var.emails]
}

run "no_address" {
  command = plan
  variables {
    emails = ["oncall"]
  }
  expect_failures = [var.emails]
}

run "cluster_by_arn" {
  command = plan
  variables {
    cluster_name = "arn:aws:kafka:eu-central-1:123456789012:cluster/production/1d3a-7"
  }
  expect_failures = [var.cluster_name]
}

run "drill_onto_itself" {
  command = plan
  variables {
    drill = { backup_topic = "orders", restore_topic = "orders" }
  }
  expect_failures = [var.drill]
}

run "bad_ids" {
  command = plan
  variables {
    vpc_id                   = "production"
    broker_security_group_id = "brokers"
    name                     = "Kafka"
    emails                   = []
    alarm_topic_arn          = "oncall"
    shards                   = 0
    topics                   = []
    packages                 = "tests/package.zip"
    region                   = "Frankfurt"
  }
  expect_failures = [var.vpc_id, var.broker_security_group_id, var.name, var.alarm_topic_arn, var.shards, var.topics, var.packages, var.region]
}

run "an_s3_endpoint_that_exists" {
  variables {
    s3_prefix_list_id = "pl-0123456789abcdef0"
  }

  assert {
    condition     = module.kafka_backup.s3_endpoint_id == null
    error_message = "no second gateway endpoint in the same route tables, which AWS would refuse"
  }
}

run "pinned_to_a_zone" {
  variables {
    zone_id = "euc1-az2"
  }

  assert {
    condition     = module.kafka_backup.environment["backup"].KAFKA_CLIENT_RACK == "euc1-az2" && anytrue([for filter in data.aws_subnets.private.filter : filter.name == "availability-zone-id" && contains(filter.values, "euc1-az2")])
    error_message = "the subnets of the zone, and its brokers"
  }
}

run "zone_by_its_name" {
  command = plan
  variables {
    zone_id = "eu-central-1b"
  }
  expect_failures = [var.zone_id]
}
