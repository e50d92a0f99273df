# Topics by pattern: what matches, the resources for it, and what is refused. Needs no cloud and no credentials.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  alarms = { emails = ["oncall@example.com"] }
  topics = ["orders", "payments"]
  kafka  = { bootstrap_servers = "broker.example.com:9092", auth = "TLS" }
  backup = { package_path = "tests/package.zip" }
}

run "names_are_as_they_were" {
  command = plan
  variables {
    topics = ["payments", "__mine", "orders"]
    bucket = { expire_days = 400 }
  }

  assert {
    condition     = local.topic_lists.topics == "payments,__mine,orders"
    error_message = "names are joined with commas in their order"
  }
  assert {
    condition     = local.grants.backup.topics == tolist(["payments", "__mine", "orders"])
    error_message = "the role can read the topics by name"
  }
  assert {
    condition     = module.storage.expiring_prefixes == tolist([for pair in setproduct(["payments", "__mine", "orders"], range(10)) : "${pair[0]}/${pair[1]}"])
    error_message = "ten prefixes of each name, in their order"
  }
}

run "patterns" {
  command = plan
  variables {
    topics         = ["audit", "payments-*", "shop.?", "^orders-[0-9]+"]
    exclude_topics = ["*-test", "^tmp.+"]
  }

  assert {
    condition     = local.topic_lists.topics == "audit,payments-*,shop.?,^orders-[0-9]+" && local.topic_lists.excluded == "*-test,^tmp.+"
    error_message = "without a comma in them they are joined with commas"
  }
}

run "regular_expressions_with_commas" {
  command = plan
  variables {
    topics         = ["audit", "^a{1,2}\\d"]
    exclude_topics = ["^b{3,}"]
  }

  assert {
    condition     = local.topic_lists.topics == "[\"audit\",\"^a{1,2}\\\\d\"]" && local.topic_lists.excluded == "[\"^b{3,}\"]"
    error_message = "a comma in an entry needs the array: ${local.topic_lists.topics}"
  }
}

run "all_topics" {
  command = plan
  variables {
    topics = ["*", "__mine"]
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : length(setintersection(keys(alarm.dimensions), ["Topic"])) == 0])
    error_message = "an alarm on one topic would get no data for the topics that a pattern finds"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["backup-stale-0"].treat_missing_data == "breaching"
    error_message = "if patterns match no topic, no run succeeds, and an alarm is raised"
  }
}

run "glob_with_a_slash" {
  command = plan
  variables {
    topics = ["orders/*"]
  }
  expect_failures = [var.topics]
}

run "regular_expression_without_its_sign" {
  command = plan
  variables {
    topics = ["orders-[0-9]+"]
  }
  expect_failures = [var.topics]
}

run "regular_expression_that_does_not_end" {
  command = plan
  variables {
    topics = ["^orders-([0-9]+"]
  }
  expect_failures = [var.topics]
}

run "regular_expression_with_a_space" {
  command = plan
  variables {
    topics = ["^orders "]
  }
  expect_failures = [var.topics]
}

run "class_that_the_program_does_not_know" {
  command = plan
  variables {
    topics = ["^\\p{L}+"]
  }
  expect_failures = [var.topics]
}

run "sign_alone" {
  command = plan
  variables {
    topics = ["^"]
  }
  expect_failures = [var.topics]
}

run "pattern_twice" {
  command = plan
  variables {
    topics = ["orders-*", "orders-*"]
  }
  expect_failures = [var.topics]
}

run "internal_topic_beside_a_pattern" {
  command = plan
  variables {
    topics = ["*", "__transaction_state"]
  }
  expect_failures = [var.topics]
}

run "excluded_twice" {
  command = plan
  variables {
    topics         = ["*"]
    exclude_topics = ["tmp", "tmp"]
  }
  expect_failures = [var.exclude_topics]
}

run "excluded_with_a_slash" {
  command = plan
  variables {
    topics         = ["*"]
    exclude_topics = ["tmp/*"]
  }
  expect_failures = [var.exclude_topics]
}

run "excluded_by_what_is_no_regular_expression" {
  command = plan
  variables {
    topics         = ["*"]
    exclude_topics = ["^tmp["]
  }
  expect_failures = [var.exclude_topics]
}

run "excluded_internal_topic" {
  command = plan
  variables {
    topics         = ["*"]
    exclude_topics = ["__consumer_offsets"]
  }
  expect_failures = [var.exclude_topics]
}

run "asked_for_and_excluded_by_name" {
  command = plan
  variables {
    exclude_topics = ["orders"]
  }
  expect_failures = [var.exclude_topics]
}

run "asked_for_and_excluded_by_a_glob" {
  command = plan
  variables {
    exclude_topics = ["ord?rs*"]
  }
  expect_failures = [var.exclude_topics]
}

run "asked_for_and_excluded_by_a_regular_expression" {
  command = plan
  variables {
    exclude_topics = ["^(a|pay)ments"]
  }
  expect_failures = [var.exclude_topics]
}

run "exclusions_are_of_whole_names" {
  command = plan
  variables {
    topics         = ["orders", "orders.eu", "__mine", "*"]
    exclude_topics = ["order", "orders.e", "ordersxeu", "^rders", "orders.eu.*", "*mine"]
  }
}

run "expiry_with_a_pattern" {
  command = plan
  variables {
    topics = ["orders", "payments-*"]
    bucket = { expire_days = 400 }
  }
  expect_failures = [var.bucket]
}

run "expiry_with_a_regular_expression" {
  command = plan
  variables {
    topics = ["^orders"]
    bucket = { expire_days = 400 }
  }
  expect_failures = [var.bucket]
}

run "more_topics_than_rules" {
  command = plan
  variables {
    topics = [for n in range(91) : "topic-${n}"]
    bucket = { expire_days = 400 }
  }
  expect_failures = [var.bucket]
}

run "restore_into_what_a_glob_takes" {
  command = plan
  variables {
    topics  = ["orders*"]
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders.restored" }
  }
  expect_failures = [var.restore]
}

run "restore_into_what_a_regular_expression_takes" {
  command = plan
  variables {
    topics  = ["^orders.*"]
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders.restored" }
  }
  expect_failures = [var.restore]
}

run "restore_into_what_is_excluded" {
  command = plan
  variables {
    topics         = ["*"]
    exclude_topics = ["*.restored"]
    restore        = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders.restored" }
  }
}

run "restore_into_what_no_pattern_takes" {
  command = plan
  variables {
    topics  = ["orders-?", "^orders"]
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders.restored" }
  }
}

run "restore_of_a_pattern" {
  command = plan
  variables {
    topics  = ["orders-*"]
    restore = { package_path = "tests/package.zip", backup_topics = ["orders-*"], restore_topic = "restored" }
  }
  expect_failures = [var.restore]
}
