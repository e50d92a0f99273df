# Kinds of entries in topics and exclude_topics, as in the program: names, globs (`*`, `?`), and regular expressions, which begin with `^`.

locals {
  legal_entry = "^([a-zA-Z0-9._-]{1,249}|[a-zA-Z0-9._-]*[*?][a-zA-Z0-9._*?-]*|\\^[!-~]+)$"
  # Supported by Terraform's regular expressions and not by the program's.
  unknown_class = "\\\\[pPQEC]"

  topic_names  = [for entry in var.topics : entry if !can(regex("^\\^|[*?]", entry))]
  has_patterns = length(local.topic_names) < length(var.topics)

  # Joined with commas, or JSON if a regular expression contains a comma.
  topic_lists = {
    for list, entries in { topics = sort(var.topics), excluded = sort(var.exclude_topics) } :
    list => anytrue([for entry in entries : strcontains(entry, ",")]) ? jsonencode(entries) : join(",", entries)
  }

  # CONSUMER_GROUPS and EXCLUDE_CONSUMER_GROUPS. Names of groups can contain any character.
  all_groups = jsonencode(var.backup.consumer_groups) == "[\"*\"]"
  group_lists = {
    for list, entries in { included = var.backup.consumer_groups, excluded = var.backup.exclude_consumer_groups } :
    list => anytrue([for entry in entries : strcontains(entry, ",") || startswith(entry, "[")]) ? jsonencode(entries) : join(",", entries)
  }

  # Each entry as a regular expression for whole names. Patterns do not match names that begin with __.
  whole_names = {
    for list, entries in { topics = var.topics, excluded = var.exclude_topics } : list => [
      for entry in entries : startswith(entry, "^") ? "^(?:${entry})$" : "^${replace(replace(replace(entry, ".", "[.]"), "?", "."), "*", ".*")}$"
    ]
  }

  # The topics of a restore, in the same form. A name can have a generation.
  restored          = try(var.restore.backup_topics, [])
  restored_list     = anytrue([for entry in local.restored : strcontains(entry, ",")]) ? jsonencode(local.restored) : join(",", local.restored)
  not_restored      = try(var.restore.exclude_topics, [])
  not_restored_list = anytrue([for entry in local.not_restored : strcontains(entry, ",")]) ? jsonencode(local.not_restored) : join(",", local.not_restored)

  # RESTORE_GROUPS and RESTORE_EXCLUDE_GROUPS, as CONSUMER_GROUPS.
  all_restored_groups = jsonencode(try(var.restore.groups, ["*"])) == "[\"*\"]"
  restored_group_lists = {
    for list, entries in { included = try(var.restore.groups, []), excluded = try(var.restore.exclude_groups, []) } :
    list => anytrue([for entry in entries : strcontains(entry, ",") || startswith(entry, "[")]) ? jsonencode(entries) : join(",", entries)
  }
}
