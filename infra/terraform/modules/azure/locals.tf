data "azurerm_client_config" "current" {}

locals {
  resource_group_id = "/subscriptions/${data.azurerm_client_config.current.subscription_id}/resourceGroups/${var.resource_group_name}"

  # Names of storage accounts, function apps and vaults are globally unique. The suffix depends on the resource group and name, so plans are stable.
  suffix  = substr(sha256("${local.resource_group_id}/${var.name}"), 0, 6)
  compact = replace(var.name, "-", "")

  # One app for each program: a custom handler is one executable, and Flex Consumption allows one app in a plan.
  functions = merge(
    { for backup in [var.backup] : "backup" => merge(backup, { kafka = var.kafka }) if backup.enabled },
    var.restore == null ? {} : {
      restore = merge(var.restore, { kafka = coalesce(var.restore.kafka, var.kafka) })
    },
  )

  # Properties with secret values, as in the program.
  secret_property = "password|passphrase|secret|key\\.pem|oauthbearer\\.config|jaas"

  # Properties that the program sets itself, with the values that it accepts. It refuses to start with other values.
  fixed_properties = jsondecode(file("${path.module}/fixed-properties.json"))

  # Same as in the program. check-azure compares them.
  internal_topics = ["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"]
  restore_checks  = ["retention", "timestamps", "compaction", "not-empty", "expired", "missing", "behind", "lost-progress", "group-offsets", "configs"]

  # NCRONTAB: second, minute, hour, day, month, day of week; each with values, ranges (1-5) and steps (*/5), separated by commas.
  # https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
  ncrontab_values = [
    "[0-5]?[0-9]",
    "[0-5]?[0-9]",
    "([01]?[0-9]|2[0-3])",
    "(0?[1-9]|[12][0-9]|3[01])",
    "(0?[1-9]|1[0-2]|jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sep(tember)?|oct(ober)?|nov(ember)?|dec(ember)?)",
    "([0-6]|sun(day)?|mon(day)?|tue(sday)?|wed(nesday)?|thu(rsday)?|fri(day)?|sat(urday)?)",
  ]
  ncrontab_items = [for value in local.ncrontab_values : "([*]|${value}(-${value})?)(/[1-9][0-9]?)?"]
  ncrontab       = "(?i)^${join(" ", [for item in local.ncrontab_items : "${item}(,${item})*"])}$"

  # Transient errors: new identities and roles are not effective everywhere yet. Never a 404: azapi also retries reads, so a deleted resource would
  # not be noticed.
  retry = {
    error_message_regex  = ["RoleDefinitionDoesNotExist", "PrincipalNotFound", "RetryableError", "AnotherOperationInProgress"]
    interval_seconds     = 10
    max_interval_seconds = 60
  }

  # Path inside the container, as the program builds it from STORAGE_PREFIX.
  prefix = var.storage.prefix == "" ? "" : "${var.storage.prefix}/"
}
