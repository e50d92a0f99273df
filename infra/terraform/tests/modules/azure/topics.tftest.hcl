# Topics by pattern: what matches and what is refused.

mock_provider "azurerm" {
  override_during = plan

  mock_data "azurerm_client_config" {
    defaults = {
      subscription_id = "00000000-0000-0000-0000-000000000001"
      tenant_id       = "00000000-0000-0000-0000-000000000002"
    }
  }
}
mock_provider "azapi" {}

variables {
  name                = "orders"
  resource_group_name = "rg-orders"
  location            = "westeurope"
  topics              = ["orders", "payments"]
  kafka               = { bootstrap_servers = "kafka01:9092" }
  alarms              = { emails = ["oncall@example.org"] }
  management_lock     = true
}

run "too_many_topics_for_rules" {
  command = plan
  variables {
    topics  = [for n in range(96) : "topic-${n}"]
    storage = { delete_after_days = 400 }
  }
  expect_failures = [var.storage]
}

run "many_topics_without_rules" {
  command = plan
  variables {
    topics = [for n in range(96) : "topic-${n}"]
  }
}

run "glob_with_a_slash" {
  command = plan
  variables {
    topics = ["orders/*"]
  }
  expect_failures = [var.topics]
}

run "glob_that_ends_with_a_dot" {
  command = plan
  variables {
    topics = ["*."]
  }
  expect_failures = [var.topics]
}

run "regular_expression_that_ends_with_a_dot" {
  command = plan
  variables {
    topics = ["^orders."]
  }
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

run "internal_topic_beside_a_pattern" {
  command = plan
  variables {
    topics = ["*", "__transaction_state"]
  }
  expect_failures = [var.topics]
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

run "excluded_name_that_ends_with_a_dot" {
  command = plan
  variables {
    topics         = ["*"]
    exclude_topics = ["orders.", "*."]
  }
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

run "deletion_with_a_glob" {
  command = plan
  variables {
    topics  = ["orders", "payments-*"]
    storage = { delete_after_days = 400 }
  }
  expect_failures = [var.storage]
}

run "deletion_with_a_regular_expression" {
  command = plan
  variables {
    topics  = ["^orders"]
    storage = { delete_after_days = 400 }
  }
  expect_failures = [var.storage]
}

run "restore_into_what_a_glob_takes" {
  command = plan
  variables {
    topics  = ["orders*"]
    restore = { backup_topics = ["orders"], restore_topic = "orders.restored" }
  }
  expect_failures = [var.restore]
}

run "restore_into_what_a_regular_expression_takes" {
  command = plan
  variables {
    topics  = ["^orders.*"]
    restore = { backup_topics = ["orders"], restore_topic = "orders.restored" }
  }
  expect_failures = [var.restore]
}

run "restore_into_what_is_excluded" {
  command = plan
  variables {
    topics         = ["*"]
    exclude_topics = ["*.restored"]
    restore        = { backup_topics = ["orders"], restore_topic = "orders.restored" }
  }
}

run "restore_into_what_no_pattern_takes" {
  command = plan
  variables {
    topics  = ["orders-?", "^orders"]
    restore = { backup_topics = ["orders"], restore_topic = "orders.restored" }
  }
}

run "restore_of_a_pattern" {
  command = plan
  variables {
    topics  = ["orders-*"]
    restore = { backup_topics = ["orders-*"], restore_topic = "restored" }
  }
  expect_failures = [var.restore]
}
