# Roles, and their scopes.

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

override_resource {
  override_during = plan
  target          = azurerm_user_assigned_identity.function["backup"]
  values          = { principal_id = "11111111-0000-0000-0000-000000000003" }
}
override_resource {
  override_during = plan
  target          = azurerm_user_assigned_identity.function["restore"]
  values          = { principal_id = "22222222-0000-0000-0000-000000000003" }
}
override_resource {
  override_during = plan
  target          = azurerm_storage_container.backup[0]
  values          = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders/providers/Microsoft.Storage/storageAccounts/data/blobServices/default/containers/kafka-backup" }
}
override_resource {
  override_during = plan
  target          = azurerm_storage_account.host["backup"]
  values          = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders/providers/Microsoft.Storage/storageAccounts/hostbackup" }
}
override_resource {
  override_during = plan
  target          = azurerm_storage_account.host["restore"]
  values          = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders/providers/Microsoft.Storage/storageAccounts/hostrestore" }
}
override_resource {
  override_during = plan
  target          = azurerm_application_insights.this
  values          = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders/providers/Microsoft.Insights/components/orders-insights" }
}
override_resource {
  override_during = plan
  target          = azurerm_key_vault.this[0]
  values          = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders/providers/Microsoft.KeyVault/vaults/orders-kv" }
}

variables {
  name                = "orders"
  resource_group_name = "rg-orders"
  location            = "westeurope"
  topics              = ["orders"]
  kafka               = { bootstrap_servers = "kafka01:9092", secrets = { "sasl.password" = "kafka-password" } }
  restore             = { backup_topics = ["orders"], restore_topic = "restored" }
  alarms              = { emails = ["oncall@example.org"] }
  management_lock     = true
}

run "exactly_these_roles" {
  command = plan

  assert {
    condition = toset([
      for role in concat(values(azurerm_role_assignment.host), values(azurerm_role_assignment.telemetry), values(azurerm_role_assignment.secrets)) :
      "${role.principal_id} ${role.role_definition_name} ${reverse(split("/", role.scope))[0]}"
      ]) == toset([
      "11111111-0000-0000-0000-000000000003 Storage Blob Data Owner hostbackup",
      "11111111-0000-0000-0000-000000000003 Monitoring Metrics Publisher orders-insights",
      "11111111-0000-0000-0000-000000000003 Key Vault Secrets User orders-kv",
      "22222222-0000-0000-0000-000000000003 Storage Blob Data Owner hostrestore",
      "22222222-0000-0000-0000-000000000003 Monitoring Metrics Publisher orders-insights",
      "22222222-0000-0000-0000-000000000003 Key Vault Secrets User orders-kv",
    ])
    error_message = "Each identity has these three of Azure's roles, on these three things."
  }
  assert {
    condition = { for name, role in azapi_resource.backups_role_assignment : name => [role.body.properties.principalId, role.parent_id, role.body.properties.roleDefinitionId] } == { for name, identity in azurerm_user_assigned_identity.function : name => [
      identity.principal_id,
      azurerm_storage_container.backup[0].id,
      "/subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.Authorization/roleDefinitions/${azapi_resource.blobs_role.name}",
    ] }
    error_message = "Each has the custom role on the container, with the ID that Azure returns."
  }
}

run "a_role_that_is_not_known_yet_is_tried_again" {
  command = plan

  assert {
    condition     = alltrue([for role in values(azapi_resource.backups_role_assignment) : contains(role.retry.error_message_regex, "RoleDefinitionDoesNotExist") && contains(role.retry.error_message_regex, "PrincipalNotFound")])
    error_message = "A new role or identity is retried until it is effective."
  }
  assert {
    condition     = !anytrue([for expression in azapi_resource.function["backup"].retry.error_message_regex : can(regex("NotFound", replace(expression, "PrincipalNotFound", "")))])
    error_message = "A deleted resource is noticed, and not retried."
  }
}

run "the_role_reads_and_writes_blobs" {
  command = plan

  assert {
    condition = azapi_resource.blobs_role.body.properties.permissions == [{
      actions = []
      dataActions = [
        "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
        "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
      ]
    }]
    error_message = "It cannot delete, and cannot change containers."
  }
  assert {
    condition = alltrue([
      azapi_resource.blobs_role.type == "Microsoft.Authorization/roleDefinitions@2022-04-01",
      can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", azapi_resource.blobs_role.name)),
      can(regex("^Kafka backup orders-[0-9a-f]{6}: ", azapi_resource.blobs_role.body.properties.roleName)),
      azapi_resource.blobs_role.parent_id == "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders",
      azapi_resource.blobs_role.body.properties.assignableScopes == tolist(["/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders"]),
    ])
    error_message = "It belongs to the resource group, and its name to this deployment."
  }
}

run "restore_writes_checkpoints_only" {
  command = plan

  variables {
    storage = { prefix = "kafka/production" }
  }

  assert {
    condition = join(" ", regexall("\\S+", azapi_resource.backups_role_assignment["restore"].body.properties.condition)) == join(" ", [
      "( (", "!(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write'})", ")", "OR", "(",
      "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path] StringLike 'kafka/production/@restore/*'", ") )",
    ])
    error_message = "Writing is allowed under @restore, after the prefix."
  }
  assert {
    condition     = azapi_resource.backups_role_assignment["restore"].body.properties.conditionVersion == "2.0" && !contains(keys(azapi_resource.backups_role_assignment["backup"].body.properties), "condition")
    error_message = "Conditions are of version 2.0; the backup writes everywhere in the container."
  }
}

run "without_a_prefix" {
  command = plan

  assert {
    condition     = strcontains(azapi_resource.backups_role_assignment["restore"].body.properties.condition, "StringLike '@restore/*'")
    error_message = "Without a prefix, checkpoints are at the top."
  }
}

run "someone_elses_vault" {
  command = plan

  variables {
    key_vault = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-shared/providers/Microsoft.KeyVault/vaults/shared" }
    restore   = { backup_topics = ["orders"], restore_topic = "restored", kafka = { bootstrap_servers = "other01:9092", secrets = { "sasl.password" = "other-password", "ssl.key.pem" = "other-password" } } }
  }

  assert {
    condition     = length(azurerm_key_vault.this) == 0
    error_message = "No vault is created in addition to an existing one."
  }
  assert {
    condition = { for key, role in azurerm_role_assignment.secrets : key => role.scope } == {
      "backup/kafka-password"  = "${var.key_vault.id}/secrets/kafka-password"
      "restore/other-password" = "${var.key_vault.id}/secrets/other-password"
    }
    error_message = "In it, each function reads its own secrets, by name."
  }
  assert {
    condition     = contains(azapi_resource.function["restore"].body.properties.siteConfig.appSettings, { name = "KAFKA_SASL_PASSWORD", value = "@Microsoft.KeyVault(VaultName=shared;SecretName=other-password)" })
    error_message = "The reference names that vault."
  }
}

run "no_secrets_no_vault" {
  command = plan

  variables {
    kafka = { bootstrap_servers = "kafka01:9092" }
  }

  assert {
    condition     = length(azurerm_key_vault.this) == 0 && length(azurerm_role_assignment.secrets) == 0 && output.key_vault_name == null
    error_message = "Without secrets there is no vault."
  }
}
