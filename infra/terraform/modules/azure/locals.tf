data "azurerm_client_config" "current" {}

locals {
  resource_group_id = "/subscriptions/${data.azurerm_client_config.current.subscription_id}/resourceGroups/${var.resource_group_name}"

  # Names of storage accounts, function apps and vaults are unique in all of Azure. The same place gives the same suffix, so a plan is stable.
  suffix  = substr(sha256("${local.resource_group_id}/${var.name}"), 0, 6)
  compact = replace(var.name, "-", "")

  # One app for each program: a custom handler is one executable, and Flex Consumption takes one app a plan.
  functions = merge(
    { for backup in [var.backup] : "backup" => merge(backup, { kafka = var.kafka }) if backup.enabled },
    var.restore == null ? {} : {
      restore = merge(var.restore, { kafka = coalesce(var.restore.kafka, var.kafka) })
    },
  )

  # Properties whose values the program, too, never shows.
  secret_property = "password|passphrase|secret|key\\.pem|oauthbearer\\.config|jaas"

  # Properties that the program sets itself, with the values that say the same as it does; it refuses to start with others.
  fixed_properties = jsondecode(file("${path.module}/fixed-properties.json"))

  # As the program has them; tests compare them with it.
  internal_topics = ["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"]
  restore_checks  = ["retention", "timestamps", "compaction", "not-empty", "expired", "missing", "behind", "lost-progress", "group-offsets", "configs"]

  # NCRONTAB: second, minute, hour, day, month, day of week; each of them values, ranges (1-5) and steps (*/5), with commas between.
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

  # What a repeated request gets past: identities and roles that were made a moment ago and are not known everywhere. Never a 404: azapi repeats
  # reads, too, and what someone deleted would not be noticed.
  retry = {
    error_message_regex  = ["RoleDefinitionDoesNotExist", "PrincipalNotFound", "RetryableError", "AnotherOperationInProgress"]
    interval_seconds     = 10
    max_interval_seconds = 60
  }

  # A path inside the container, as the program makes it from STORAGE_PREFIX.
  prefix = var.storage.prefix == "" ? "" : "${var.storage.prefix}/"
}
