# Protection and expiry of the backups.

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

run "closed" {
  command = plan

  assert {
    condition = alltrue([
      for account in concat([azurerm_storage_account.backup[0]], values(azurerm_storage_account.host)) :
      account.min_tls_version == "TLS1_2" && account.https_traffic_only_enabled && !account.shared_access_key_enabled && !account.allow_nested_items_to_be_public && !account.local_user_enabled && !account.cross_tenant_replication_enabled
    ])
    error_message = "TLS 1.2, no keys, no anonymous access, no local users."
  }
  assert {
    condition     = azurerm_storage_container.backup[0].container_access_type == "private" && azurerm_storage_container.package["backup"].container_access_type == "private"
    error_message = "Containers are private."
  }
  assert {
    condition     = azurerm_storage_account.backup[0].account_replication_type == "ZRS" && azurerm_storage_account.backup[0].infrastructure_encryption_enabled
    error_message = "three zones, encrypted twice"
  }
}

run "recoverable" {
  command = plan

  variables {
    storage = { recover_days = 45 }
  }

  assert {
    condition     = azurerm_storage_account.backup[0].blob_properties[0].versioning_enabled && azurerm_storage_account.backup[0].blob_properties[0].delete_retention_policy[0].days == 45 && azurerm_storage_account.backup[0].blob_properties[0].container_delete_retention_policy[0].days == 45
    error_message = "Versions, and soft delete of blobs and containers."
  }
  assert {
    condition     = [for rule in azurerm_storage_management_policy.backup[0].rule : rule.name] == ["old-versions"] && azurerm_storage_management_policy.backup[0].rule[0].actions[0].version[0].delete_after_days_since_creation == 45
    error_message = "By default only old versions are deleted."
  }
  assert {
    condition     = length(azurerm_storage_management_policy.backup[0].rule[0].actions[0].base_blob) == 0
    error_message = "The rule for versions does not delete current ones."
  }
  assert {
    condition     = length(azurerm_storage_account.backup[0].immutability_policy) == 0
    error_message = "Not immutable by default."
  }
}

run "immutable" {
  command = plan

  variables {
    immutability = { days = 90 }
  }

  assert {
    condition     = azurerm_storage_account.backup[0].immutability_policy[0].period_since_creation_in_days == 90 && azurerm_storage_account.backup[0].immutability_policy[0].state == "Unlocked" && !azurerm_storage_account.backup[0].immutability_policy[0].allow_protected_append_writes
    error_message = "unlocked until it is locked on purpose"
  }
}

run "locked" {
  command = plan

  variables {
    immutability = { days = 90, locked = true }
  }

  assert {
    condition     = azurerm_storage_account.backup[0].immutability_policy[0].state == "Locked"
    error_message = "locked"
  }
}

run "lifecycle_rules" {
  command = plan

  variables {
    storage = { prefix = "kafka", cool_after_days = 30, cold_after_days = 90, delete_after_days = 400 }
  }

  assert {
    condition     = length(azurerm_storage_management_policy.backup[0].rule) == 4 && alltrue([for rule in azurerm_storage_management_policy.backup[0].rule : rule.enabled && can(regex("^[a-zA-Z0-9-]+$", rule.name))])
    error_message = "One rule for versions, one for tiers, one for each topic."
  }
  assert {
    condition     = azurerm_storage_management_policy.backup[0].rule[1].filters[0].prefix_match == toset(["kafka-backup/kafka/"]) && azurerm_storage_management_policy.backup[0].rule[1].actions[0].base_blob[0].tier_to_cool_after_days_since_modification_greater_than == 30 && azurerm_storage_management_policy.backup[0].rule[1].actions[0].base_blob[0].tier_to_cold_after_days_since_modification_greater_than == 90
    error_message = "All objects with the prefix move to cheaper tiers."
  }
  assert {
    condition     = toset(flatten([for rule in slice(azurerm_storage_management_policy.backup[0].rule, 2, 4) : tolist(rule.filters[0].prefix_match)])) == toset(flatten([for topic in ["orders", "payments"] : [for digit in range(10) : "kafka-backup/kafka/${topic}/${digit}"]]))
    error_message = "Only partition folders expire: topic.json, restore checkpoints and later generations stay."
  }
  assert {
    condition     = alltrue([for rule in slice(azurerm_storage_management_policy.backup[0].rule, 2, 4) : rule.actions[0].base_blob[0].delete_after_days_since_modification_greater_than == 400 && length(rule.filters[0].prefix_match) <= 10])
    error_message = "after this number of days; ten prefixes in a rule"
  }
}

run "snapshots_expire_by_age" {
  command = plan

  variables {
    storage = { prefix = "kafka", snapshot_delete_after_days = 400 }
  }

  assert {
    condition     = length(azurerm_storage_management_policy.backup[0].rule) == 2 && azurerm_storage_management_policy.backup[0].rule[1].filters[0].prefix_match == toset(["kafka-backup/kafka/@cluster/"]) && azurerm_storage_management_policy.backup[0].rule[1].actions[0].base_blob[0].delete_after_days_since_modification_greater_than == 400
    error_message = "Snapshots are deleted, and nothing else."
  }
}

run "who_wrote_and_deleted" {
  command = plan

  assert {
    condition     = toset([for log in azurerm_monitor_diagnostic_setting.backup[0].enabled_log : log.category]) == toset(["StorageDelete", "StorageWrite"])
    error_message = "Writes and deletes of backups are logged."
  }
}
