variable "region" {
  description = "Region of all resources. Use the region of the brokers; traffic between regions has a cost."
  type        = string
  default     = "us-east-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like us-east-1."
  }
}

variable "bootstrap_servers" {
  description = "Brokers on the internet: host:port, comma-separated."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^,:\\s]+:[0-9]{1,5}(,[^,:\\s]+:[0-9]{1,5})*$", var.bootstrap_servers))
    error_message = "bootstrap_servers must be host:port, or several of them, separated by commas without spaces."
  }
}

variable "sasl_mechanism" {
  description = "SASL mechanism: PLAIN (Confluent Cloud), SCRAM-SHA-256 or SCRAM-SHA-512."
  type        = string
  default     = "PLAIN"
  nullable    = false

  validation {
    condition     = contains(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], var.sasl_mechanism)
    error_message = "sasl_mechanism must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."
  }
}

variable "topics" {
  description = "Topics to back up: names, and patterns such as payments-*. The first entry must be a name; the restore drill restores it."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.topics) > 0
    error_message = "topics must contain at least one topic."
  }
  validation {
    condition     = !can(regex("^\\^|[*?]", try(var.topics[0], "")))
    error_message = "The first entry of topics must be the name of a topic, which the restore drill restores. Write it before the patterns: [\"orders\", \"*\"]."
  }
}

variable "exclude_topics" {
  description = "Topics that are skipped although a pattern of topics matches them."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for entry in var.exclude_topics : entry != ""])
    error_message = "exclude_topics must not contain an empty entry."
  }
}

variable "email" {
  description = "Recipient of the alarms. It must confirm the subscription once. null: no alarms."
  type        = string
  default     = null

  validation {
    condition     = var.email == null || can(regex("^[^@\\s]+@[^@\\s]+$", var.email))
    error_message = "email must be an e-mail address."
  }
}

variable "lock_days" {
  description = "Days after its upload for which no version of an object can be deleted. null: ten years; a role with s3:BypassGovernanceRetention can lift it. Use 1 for a first try, which you can delete the next day. A warning then reports that older segments are not protected."
  type        = number
  default     = null

  validation {
    condition     = var.lock_days == null ? true : var.lock_days >= 1
    error_message = "lock_days must be 1 or more."
  }
}

variable "packages" {
  description = "Folder with backup-batch-arm64.zip and restore-batch-arm64.zip."
  type        = string
  default     = "../../../../target/packages"
  nullable    = false

  validation {
    condition     = length(var.packages) > 0 && !endswith(var.packages, ".zip")
    error_message = "packages must be the folder of the two packages. Step 1 of docs/walkthrough-aws.md builds them."
  }
}
