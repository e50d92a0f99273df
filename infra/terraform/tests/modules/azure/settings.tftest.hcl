# Names and settings of the functions.

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
  values = {
    id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders/providers/Microsoft.ManagedIdentity/userAssignedIdentities/orders-backup"
    client_id = "11111111-0000-0000-0000-000000000001"
  }
}
override_resource {
  override_during = plan
  target          = azurerm_user_assigned_identity.function["restore"]
  values = {
    id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders/providers/Microsoft.ManagedIdentity/userAssignedIdentities/orders-restore"
    client_id = "22222222-0000-0000-0000-000000000002"
  }
}
override_resource {
  override_during = plan
  target          = azurerm_storage_account.host["backup"]
  values = {
    id                    = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders/providers/Microsoft.Storage/storageAccounts/hostbackup"
    primary_blob_endpoint = "https://hostbackup.blob.core.windows.net/"
  }
}
override_resource {
  override_during = plan
  target          = azurerm_application_insights.this
  values = {
    id                = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders/providers/Microsoft.Insights/components/orders-insights"
    connection_string = "InstrumentationKey=3;IngestionEndpoint=https://example.org/"
  }
}

override_resource {
  override_during = plan
  target          = azurerm_service_plan.function["backup"]
  values          = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/serverFarms/providers/Microsoft.Web/serverFarms/serverFarms" }
}

variables {
  name                = "orders"
  resource_group_name = "rg-orders"
  location            = "westeurope"
  topics              = ["payments", "orders"]
  kafka               = { bootstrap_servers = "kafka01:9092,kafka02:9092" }
  alarms              = { emails = ["oncall@example.org"] }
  management_lock     = true
}

run "names" {
  command = plan

  assert {
    condition     = keys(azapi_resource.function) == ["backup"]
    error_message = "Restore is created only if it is set."
  }
  assert {
    condition     = can(regex("^orders-backup-[0-9a-f]{6}$", azapi_resource.function["backup"].name))
    error_message = "name of the function app"
  }
  assert {
    condition     = azapi_resource.function["backup"].parent_id == "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-orders"
    error_message = "resource group of the function app"
  }
  assert {
    condition     = can(regex("^ordersdata[0-9a-f]{6}$", azurerm_storage_account.backup[0].name)) && can(regex("^ordershbac[0-9a-f]{6}$", azurerm_storage_account.host["backup"].name))
    error_message = "names of the storage accounts"
  }
}

run "longest_name" {
  command = plan

  variables {
    name    = "abcdefghijklmn"
    kafka   = { bootstrap_servers = "kafka01:9092", secrets = { "sasl.password" = "kafka-password" } }
    restore = { backup_topics = ["orders"], restore_topic = "restored" }
  }

  assert {
    condition     = alltrue([for app in azapi_resource.function : length(app.name) <= 32])
    error_message = "The host uses the first 32 characters of an app's name as its id."
  }
  assert {
    condition     = alltrue([for account in concat([azurerm_storage_account.backup[0]], values(azurerm_storage_account.host)) : can(regex("^[a-z0-9]{3,24}$", account.name))])
    error_message = "Names of storage accounts have at most 24 lowercase letters and digits."
  }
  assert {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", azurerm_key_vault.this[0].name))
    error_message = "Names of vaults have at most 24 characters."
  }
}

run "plan_and_app" {
  command = plan

  assert {
    condition     = azurerm_service_plan.function["backup"].sku_name == "FC1" && azurerm_service_plan.function["backup"].os_type == "Linux"
    error_message = "Flex Consumption"
  }
  assert {
    condition     = azapi_resource.function["backup"].body.kind == "functionapp,linux" && azapi_resource.function["backup"].body.properties.functionAppConfig.runtime == { name = "custom", version = "1.0" }
    error_message = "custom handler"
  }
  assert {
    condition     = azapi_resource.function["backup"].body.properties.httpsOnly && azapi_resource.function["backup"].body.properties.siteConfig.minTlsVersion == "1.2" && azapi_resource.function["backup"].body.properties.siteConfig.scmMinTlsVersion == "1.2"
    error_message = "HTTPS with TLS 1.2 only"
  }
  assert {
    condition     = azapi_resource.function["backup"].body.properties.functionAppConfig.scaleAndConcurrency.instanceMemoryMB == 2048
    error_message = "memory"
  }
  assert {
    condition = azapi_resource.function["backup"].body.properties.functionAppConfig.deployment.storage == {
      type  = "blobcontainer"
      value = "https://hostbackup.blob.core.windows.net/package"
      authentication = {
        type                           = "userassignedidentity"
        userAssignedIdentityResourceId = azurerm_user_assigned_identity.function["backup"].id
      }
    }
    error_message = "The package is read from the app's own account, by identity."
  }
  assert {
    condition     = azapi_resource.function["backup"].body.properties.keyVaultReferenceIdentity == azurerm_user_assigned_identity.function["backup"].id
    error_message = "Without this, Key Vault references would use an identity that the app does not have."
  }
  assert {
    condition     = azapi_resource.function["backup"].identity[0].type == "UserAssigned" && azapi_resource.function["backup"].identity[0].identity_ids == tolist([azurerm_user_assigned_identity.function["backup"].id])
    error_message = "one identity, its own"
  }
  assert {
    condition     = keys(azapi_update_resource.no_publishing_passwords) == ["backup/ftp", "backup/scm"] && alltrue([for policy in azapi_update_resource.no_publishing_passwords : policy.body.properties.allow == false])
    error_message = "Passwords for publishing are off."
  }
  assert {
    condition     = !contains(keys(azapi_resource.function["backup"].body.properties), "virtualNetworkSubnetId")
    error_message = "No network by default."
  }
}

run "ids_as_the_service_returns_them" {
  command = plan

  variables {
    restore = { backup_topics = ["orders"], restore_topic = "restored" }
  }

  assert {
    condition     = azapi_resource.function["backup"].body.properties.serverFarmId == "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/serverFarms/providers/Microsoft.Web/serverfarms/serverFarms"
    error_message = "The type of the plan is in lowercase, as the service returns it, and names stay."
  }
  assert {
    condition     = alltrue([for resource in concat(values(azapi_resource.function), values(azapi_update_resource.no_publishing_passwords), [azapi_resource.blobs_role]) : resource.ignore_casing])
    error_message = "Another case of the same letters is no change."
  }
}

run "packages_from_an_address" {
  command = plan

  variables {
    backup  = { package_uri = "https://packages.example.org/v1.2.0/backup-batch-azure.zip" }
    restore = { backup_topics = ["orders"], restore_topic = "restored" }
  }

  assert {
    condition     = { for name, action in azapi_resource_action.package : name => "${action.method} ${action.action} ${action.body.properties.packageUri}" } == { backup = "PUT extensions/onedeploy https://packages.example.org/v1.2.0/backup-batch-azure.zip" }
    error_message = "The service fetches the package of the app that names one, and of no other."
  }
  assert {
    condition     = azapi_resource_action.package["backup"].body.properties.remoteBuild == false
    error_message = "The package is ready to run: nothing is built."
  }
}

run "settings_of_backup" {
  command = plan

  assert {
    condition = { for setting in azapi_resource.function["backup"].body.properties.siteConfig.appSettings : setting.name => setting.value } == {
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING = "Authorization=AAD;ClientId=11111111-0000-0000-0000-000000000001"
      APPLICATIONINSIGHTS_CONNECTION_STRING     = "InstrumentationKey=3;IngestionEndpoint=https://example.org/"
      AZURE_CLIENT_ID                           = "11111111-0000-0000-0000-000000000001"
      AZURE_STORAGE_ACCOUNT_NAME                = azurerm_storage_account.backup[0].name
      AzureWebJobsStorage__accountName          = azurerm_storage_account.host["backup"].name
      AzureWebJobsStorage__clientId             = "11111111-0000-0000-0000-000000000001"
      AzureWebJobsStorage__credential           = "managedidentity"
      BACKUP_SCHEDULE                           = "0 */5 * * * *"
      BOOTSTRAP_SERVERS                         = "kafka01:9092,kafka02:9092"
      COMPRESSION                               = "gzip:3"
      CONTAINER_NAME                            = "kafka-backup"
      FILESYSTEM_TYPE                           = "AZURE"
      GROUP_ID                                  = "kafka-backup"
      ISOLATION_LEVEL                           = "read_committed"
      LOG_LEVEL                                 = "INFO"
      MAX_SEGMENTS_PER_INVOCATION               = "0"
      MEMORY_LIMIT_MB                           = "1536"
      NUMBER_OF_KAFKA_THREADS                   = "4"
      NUMBER_OF_MESSAGE_PER_BACKUP_FILE         = "100000"
      RETRY_UPLOAD_SECONDS                      = "300"
      SNAPSHOT_SECONDS                          = "300"
      TIME_BUDGET_SECONDS                       = "480"
      TOPIC_NAMES                               = "orders,payments"
    }
    error_message = "These settings and no others: above all no AzureWebJobsStorage, and no connection string or key of the backups."
  }
}

run "topics_by_pattern" {
  command = plan

  variables {
    topics         = ["payments-*", "audit", "^orders-[0-9]+"]
    exclude_topics = ["tmp?", "*-test"]
  }

  assert {
    condition     = { for setting in azapi_resource.function["backup"].body.properties.siteConfig.appSettings : setting.name => setting.value if endswith(setting.name, "TOPIC_NAMES") } == { TOPIC_NAMES = "^orders-[0-9]+,audit,payments-*", EXCLUDE_TOPIC_NAMES = "*-test,tmp?" }
    error_message = "Without a comma in them they are joined with commas."
  }
}

run "snapshots" {
  command = plan

  variables {
    backup = { snapshot_seconds = 900, consumer_groups = ["orders-*", "^b{1,2}"], exclude_consumer_groups = ["tmp-?"] }
  }

  assert {
    condition = { for setting in azapi_resource.function["backup"].body.properties.siteConfig.appSettings : setting.name => setting.value if can(regex("SNAPSHOT|GROUPS|METRICS", setting.name)) } == {
      CONSUMER_GROUPS = "[\"orders-*\",\"^b{1,2}\"]", EXCLUDE_CONSUMER_GROUPS = "tmp-?", SNAPSHOT_SECONDS = "900"
    }
    error_message = "snapshots of the backup"
  }
}

run "regular_expressions_with_commas" {
  command = plan

  variables {
    topics         = ["audit", "^a{1,2}\\d"]
    exclude_topics = ["^b{3,}"]
  }

  assert {
    condition     = { for setting in azapi_resource.function["backup"].body.properties.siteConfig.appSettings : setting.name => setting.value if endswith(setting.name, "TOPIC_NAMES") } == { TOPIC_NAMES = "[\"^a{1,2}\\\\d\",\"audit\"]", EXCLUDE_TOPIC_NAMES = "[\"^b{3,}\"]" }
    error_message = "A comma in an entry needs the array."
  }
}

run "a_restore_is_finished" {
  command = plan

  variables {
    restore = {
      backup_topics  = ["*"]
      restore_topic  = "{topic}"
      groups         = ["billing", "^shop-[0-9]{1,2}"]
      exclude_groups = ["console-consumer-*"]
      finish         = ["groups", "configs"]
      anyway         = ["retention", "group-offsets", "configs"]
      kafka          = { bootstrap_servers = "other01:9092" }
    }
  }

  assert {
    condition = { for setting in azapi_resource.function["restore"].body.properties.siteConfig.appSettings : setting.name => setting.value if can(regex("GROUPS|FINISH|ANYWAY", setting.name)) } == {
      RESTORE_GROUPS         = "[\"billing\",\"^shop-[0-9]{1,2}\"]"
      RESTORE_EXCLUDE_GROUPS = "console-consumer-*"
      RESTORE_FINISH         = "configs,groups"
      RESTORE_ANYWAY         = "configs,group-offsets,retention"
    }
    error_message = "What is done once all is restored."
  }
}

run "settings_of_restore" {
  command = plan

  variables {
    storage = { prefix = "kafka/production" }
    restore = {
      backup_topics       = ["orders@2"]
      restore_topic       = "orders-restored"
      schedule            = "*/30 * * * * *"
      id                  = "drill-1"
      partition_strategy  = "key"
      delivery            = "at-least-once"
      replication_factor  = 3
      anyway              = ["retention", "not-empty"]
      from                = "2026-11-01T00:00:00Z"
      until               = "2026-11-27T15:00:00+01:00"
      skip_damaged        = true
      instance_memory_mb  = 512
      time_budget_seconds = 300
      kafka               = { bootstrap_servers = "other01:9092", properties = { "security.protocol" = "SSL" } }
    }
  }

  assert {
    condition = { for setting in azapi_resource.function["restore"].body.properties.siteConfig.appSettings : setting.name => setting.value } == {
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING = "Authorization=AAD;ClientId=22222222-0000-0000-0000-000000000002"
      APPLICATIONINSIGHTS_CONNECTION_STRING     = "InstrumentationKey=3;IngestionEndpoint=https://example.org/"
      AZURE_CLIENT_ID                           = "22222222-0000-0000-0000-000000000002"
      AZURE_STORAGE_ACCOUNT_NAME                = azurerm_storage_account.backup[0].name
      AzureWebJobsStorage__accountName          = azurerm_storage_account.host["restore"].name
      AzureWebJobsStorage__clientId             = "22222222-0000-0000-0000-000000000002"
      AzureWebJobsStorage__credential           = "managedidentity"
      BACKUP_TOPIC_NAME                         = "orders@2"
      BOOTSTRAP_SERVERS                         = "other01:9092"
      CONTAINER_NAME                            = "kafka-backup"
      DELIVERY                                  = "at-least-once"
      FILESYSTEM_TYPE                           = "AZURE"
      KAFKA_SECURITY_PROTOCOL                   = "SSL"
      LOG_LEVEL                                 = "INFO"
      MAX_SEGMENTS_PER_INVOCATION               = "0"
      MEMORY_LIMIT_MB                           = "256"
      NUMBER_OF_KAFKA_THREADS                   = "4"
      RESTORE_ANYWAY                            = "not-empty,retention"
      RESTORE_FROM                              = "2026-11-01T00:00:00Z"
      RESTORE_ID                                = "drill-1"
      RESTORE_PARTITION_STRATEGY                = "key"
      RESTORE_REPLICATION_FACTOR                = "3"
      RESTORE_SCHEDULE                          = "*/30 * * * * *"
      RESTORE_TOPIC_NAME                        = "orders-restored"
      RESTORE_UNTIL                             = "2026-11-27T15:00:00+01:00"
      SKIP_DAMAGED                              = "true"
      STORAGE_PREFIX                            = "kafka/production"
      TIME_BUDGET_SECONDS                       = "300"
    }
    error_message = "These settings and no others."
  }
  assert {
    condition     = contains([for setting in azapi_resource.function["backup"].body.properties.siteConfig.appSettings : setting.value if setting.name == "BOOTSTRAP_SERVERS"], "kafka01:9092,kafka02:9092")
    error_message = "The cluster to restore into is not the one that is backed up."
  }
  assert {
    condition     = length([for setting in azapi_resource.function["restore"].body.properties.siteConfig.appSettings : setting if setting.name == "BACKUP_SCHEDULE"]) == 0
    error_message = "Each app has the schedule of its own function."
  }
}

run "settings_of_a_restore_of_a_cluster" {
  command = plan

  variables {
    restore = {
      backup_topics  = ["orders", "pay*"]
      exclude_topics = ["*-test"]
      restore_topic  = "{topic}"
      as_of          = "2026-11-27T15:00:00+01:00"
      backup_cluster = "J8_sWPg5TBqGX9dvEPxFyA"
      kafka          = { bootstrap_servers = "other01:9092" }
    }
  }

  assert {
    condition = { for setting in azapi_resource.function["restore"].body.properties.siteConfig.appSettings : setting.name => setting.value if can(regex("^BACKUP_|_TOPIC_|_AS_OF|RESTORE_ID", setting.name)) } == {
      BACKUP_CLUSTER              = "J8_sWPg5TBqGX9dvEPxFyA"
      BACKUP_TOPIC_NAME           = "orders,pay*"
      RESTORE_AS_OF               = "2026-11-27T15:00:00+01:00"
      RESTORE_EXCLUDE_TOPIC_NAMES = "*-test"
      RESTORE_TOPIC_NAME          = "{topic}"
    }
    error_message = "What is restored, without an id: the program makes it."
  }
}

run "settings_of_a_restore_of_partitions" {
  command = plan

  variables {
    restore = { backup_topics = ["orders"], restore_topic = "{topic}.drill", partitions = "0,4-7" }
  }

  assert {
    condition     = join(";", [for setting in azapi_resource.function["restore"].body.properties.siteConfig.appSettings : setting.value if setting.name == "BACKUP_PARTITIONS"]) == "0,4-7"
    error_message = "Some partitions."
  }
}

run "keys_of_all" {
  command = plan

  variables {
    storage = { prefix = "kafka" }
    restore = { backup_topics = ["orders"], restore_topic = "restored", id = "drill-1", replication_factor = 3, anyway = ["retention"], from = "2026-11-01T00:00:00Z", until = "2026-11-27T14:00:00Z" }
  }

  assert {
    condition = setsubtract(output.configuration_keys["backup"], output.configuration_keys["restore"]) == toset([
      "COMPRESSION", "GROUP_ID", "ISOLATION_LEVEL", "NUMBER_OF_MESSAGE_PER_BACKUP_FILE", "RETRY_UPLOAD_SECONDS", "SNAPSHOT_SECONDS", "TOPIC_NAMES",
    ])
    error_message = "keys of backup only"
  }
  assert {
    condition = setsubtract(output.configuration_keys["restore"], output.configuration_keys["backup"]) == toset([
      "BACKUP_TOPIC_NAME", "DELIVERY", "RESTORE_ANYWAY", "RESTORE_FROM", "RESTORE_ID", "RESTORE_PARTITION_STRATEGY", "RESTORE_REPLICATION_FACTOR", "RESTORE_TOPIC_NAME", "RESTORE_UNTIL", "SKIP_DAMAGED",
    ])
    error_message = "keys of restore only"
  }
}

run "login_in_one_secret" {
  command = plan

  variables {
    kafka = { bootstrap_servers = "kafka01:9092", secrets = { "secret" = "kafka-login" } }
  }

  assert {
    condition = { for setting in azapi_resource.function["backup"].body.properties.siteConfig.appSettings : setting.name => setting.value if startswith(setting.name, "KAFKA_") } == {
      KAFKA_SECRET = "@Microsoft.KeyVault(VaultName=${azurerm_key_vault.this[0].name};SecretName=kafka-login)"
    }
    error_message = "The whole login can be one secret."
  }
}

run "kafka_secrets" {
  command = plan

  variables {
    kafka = {
      bootstrap_servers = "kafka01:9092"
      properties        = { "security.protocol" = "SASL_SSL", "sasl.mechanism" = "SCRAM-SHA-512", "sasl.username" = "backup" }
      secrets           = { "sasl.password" = "kafka-password" }
    }
  }

  assert {
    condition = { for setting in azapi_resource.function["backup"].body.properties.siteConfig.appSettings : setting.name => setting.value if startswith(setting.name, "KAFKA_") } == {
      KAFKA_SASL_MECHANISM    = "SCRAM-SHA-512"
      KAFKA_SASL_PASSWORD     = "@Microsoft.KeyVault(VaultName=${azurerm_key_vault.this[0].name};SecretName=kafka-password)"
      KAFKA_SASL_USERNAME     = "backup"
      KAFKA_SECURITY_PROTOCOL = "SASL_SSL"
    }
    error_message = "Properties become KAFKA_* settings; a secret becomes a reference to Key Vault."
  }
  assert {
    condition     = azurerm_key_vault.this[0].rbac_authorization_enabled && azurerm_key_vault.this[0].purge_protection_enabled
    error_message = "The vault works with roles, and its secrets cannot be purged."
  }
}

run "network" {
  command = plan

  variables {
    network = {
      subnet_id         = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/functions"
      allowed_ip_ranges = ["203.0.113.7", "198.51.100.0/24"]
    }
    kafka = { bootstrap_servers = "kafka01:9092", secrets = { "sasl.password" = "kafka-password" } }
  }

  assert {
    condition     = azapi_resource.function["backup"].body.properties.virtualNetworkSubnetId == var.network.subnet_id
    error_message = "The function joins the subnet."
  }
  assert {
    condition     = azurerm_storage_account.backup[0].network_rules[0].default_action == "Deny" && azurerm_storage_account.backup[0].network_rules[0].virtual_network_subnet_ids == toset([var.network.subnet_id]) && azurerm_storage_account.backup[0].network_rules[0].ip_rules == toset(["203.0.113.7", "198.51.100.0/24"])
    error_message = "The backups are open to the subnet and the named addresses only."
  }
  assert {
    condition     = azurerm_key_vault.this[0].network_acls[0].default_action == "Deny" && azurerm_key_vault.this[0].network_acls[0].virtual_network_subnet_ids == toset([var.network.subnet_id])
    error_message = "The vault is open to the subnet and the named addresses only."
  }
}

run "limits" {
  command = plan

  variables {
    backup  = { bytes_per_second = 10000000 }
    restore = { backup_topics = ["orders"], restore_topic = "restored", bytes_per_second = 20000000, threads = 28, kafka = { bootstrap_servers = join(",", [for number in range(12) : "other${number}:9092"]) } }
  }

  assert {
    condition     = { for name in ["backup", "restore"] : name => one([for setting in azapi_resource.function[name].body.properties.siteConfig.appSettings : setting.value if setting.name == "BYTES_PER_SECOND"]) } == { backup = "10000000", restore = "20000000" }
    error_message = "each function has its own limit"
  }
  assert {
    condition     = one([for setting in azapi_resource.function["restore"].body.properties.siteConfig.appSettings : setting.value if setting.name == "NUMBER_OF_KAFKA_THREADS"]) == "28"
    error_message = "28 partitions at the same time fit with 12 brokers"
  }
}
