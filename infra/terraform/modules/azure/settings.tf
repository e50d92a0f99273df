# App settings: the program's configuration keys, then the settings of the platform. A key that is null has the program's default. Keys that can be
# null are separate, because a filter over values that are not known before the apply would hide all of them from the plan.
locals {
  property_settings = {
    for name, function in local.functions : name => merge(
      { for property, value in function.kafka.properties : "KAFKA_${upper(replace(property, ".", "_"))}" => value },
      { for property, secret in function.kafka.secrets : "KAFKA_${upper(replace(property, ".", "_"))}" => "@Microsoft.KeyVault(VaultName=${local.key_vault_name};SecretName=${secret})" },
    )
  }

  common_settings = {
    for name, function in local.functions : name => {
      BOOTSTRAP_SERVERS           = function.kafka.bootstrap_servers
      FILESYSTEM_TYPE             = "AZURE"
      AZURE_STORAGE_ACCOUNT_NAME  = local.account_name
      CONTAINER_NAME              = local.container_name
      AZURE_CLIENT_ID             = azurerm_user_assigned_identity.function[name].client_id
      TIME_BUDGET_SECONDS         = tostring(function.time_budget_seconds)
      MAX_SEGMENTS_PER_INVOCATION = tostring(function.max_segments)
      NUMBER_OF_KAFKA_THREADS     = tostring(function.threads)
      LOG_LEVEL                   = var.log_level
      # The host shares the instance with the program: a quarter of the memory, and at least 256 MB, is for the host.
      MEMORY_LIMIT_MB = tostring(min(function.instance_memory_mb - 256, floor(function.instance_memory_mb * 3 / 4)))
    }
  }

  function_settings = {
    backup = {
      TOPIC_NAMES                       = local.topic_lists.topics
      EXCLUDE_TOPIC_NAMES               = length(var.exclude_topics) == 0 ? null : local.topic_lists.excluded
      GROUP_ID                          = var.group_id
      NUMBER_OF_MESSAGE_PER_BACKUP_FILE = tostring(var.backup.records_per_segment)
      RETRY_UPLOAD_SECONDS              = tostring(var.backup.retry_upload_seconds)
      ISOLATION_LEVEL                   = var.backup.isolation_level
      COMPRESSION                       = var.backup.compression
      STORAGE_PREFIX                    = var.storage.prefix == "" ? null : var.storage.prefix
      SNAPSHOT_SECONDS                  = tostring(var.backup.snapshot_seconds)
      CONSUMER_GROUPS                   = local.all_groups ? null : local.group_lists.included
      EXCLUDE_CONSUMER_GROUPS           = length(var.backup.exclude_consumer_groups) == 0 ? null : local.group_lists.excluded
      BYTES_PER_SECOND                  = var.backup.bytes_per_second == 0 ? null : tostring(var.backup.bytes_per_second)
    }
    restore = var.restore == null ? null : {
      BACKUP_TOPIC_NAME           = local.restored_list
      RESTORE_EXCLUDE_TOPIC_NAMES = length(local.not_restored) == 0 ? null : local.not_restored_list
      BACKUP_CLUSTER              = var.restore.backup_cluster
      BACKUP_PARTITIONS           = var.restore.partitions
      RESTORE_AS_OF               = var.restore.as_of
      RESTORE_TOPIC_NAME          = var.restore.restore_topic
      RESTORE_ID                  = var.restore.id
      RESTORE_PARTITION_STRATEGY  = var.restore.partition_strategy
      DELIVERY                    = var.restore.delivery
      RESTORE_REPLICATION_FACTOR  = var.restore.replication_factor == null ? null : tostring(var.restore.replication_factor)
      RESTORE_GROUPS              = local.all_restored_groups ? null : local.restored_group_lists.included
      RESTORE_EXCLUDE_GROUPS      = length(var.restore.exclude_groups) == 0 ? null : local.restored_group_lists.excluded
      RESTORE_FINISH              = length(var.restore.finish) == 0 ? null : join(",", sort(var.restore.finish))
      RESTORE_ANYWAY              = length(var.restore.anyway) == 0 ? null : join(",", sort(var.restore.anyway))
      RESTORE_FROM                = var.restore.from
      RESTORE_UNTIL               = var.restore.until
      SKIP_DAMAGED                = tostring(var.restore.skip_damaged)
      BYTES_PER_SECOND            = var.restore.bytes_per_second == 0 ? null : tostring(var.restore.bytes_per_second)
      STORAGE_PREFIX              = var.storage.prefix == "" ? null : var.storage.prefix
    }
  }

  platform_settings = {
    for name, function in local.functions : name => {
      # Read by function.json: "schedule": "%BACKUP_SCHEDULE%".
      "${upper(name)}_SCHEDULE" = function.schedule

      # The host's own storage, by identity. Never AzureWebJobsStorage itself: even an empty connection string takes precedence over these three.
      AzureWebJobsStorage__accountName = azurerm_storage_account.host[name].name
      AzureWebJobsStorage__credential  = "managedidentity"
      AzureWebJobsStorage__clientId    = azurerm_user_assigned_identity.function[name].client_id

      APPLICATIONINSIGHTS_CONNECTION_STRING     = local.insights_connection_string
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING = "Authorization=AAD;ClientId=${azurerm_user_assigned_identity.function[name].client_id}"
    }
  }

  app_settings = {
    for name in keys(local.functions) : name => merge(
      local.property_settings[name],
      local.common_settings[name],
      { for key, value in local.function_settings[name] : key => value if value != null },
      local.platform_settings[name],
    )
  }
}
