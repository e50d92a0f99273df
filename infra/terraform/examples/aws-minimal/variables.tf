variable "region" {
  description = "Region of everything that is made: that of the brokers, or traffic between regions is paid for."
  type        = string
  default     = "us-east-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like us-east-1."
  }
}

variable "bootstrap_servers" {
  description = "Brokers that can be reached through the internet: host:port, several with commas between."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^,:\\s]+:[0-9]{1,5}(,[^,:\\s]+:[0-9]{1,5})*$", var.bootstrap_servers))
    error_message = "bootstrap_servers must be host:port, or several of them with commas and no spaces between."
  }
}

variable "sasl_mechanism" {
  description = "How to log in: PLAIN (Confluent Cloud), SCRAM-SHA-256 or SCRAM-SHA-512."
  type        = string
  default     = "PLAIN"
  nullable    = false

  validation {
    condition     = contains(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], var.sasl_mechanism)
    error_message = "sasl_mechanism must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."
  }
}

variable "topics" {
  description = "Topics to back up: names, and patterns such as payments-*. The first one is a name: the restore drill restores it."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.topics) > 0
    error_message = "topics must contain at least one topic."
  }
  validation {
    condition     = !can(regex("^\\^|[*?]", try(var.topics[0], "")))
    error_message = "topics must begin with the name of a topic, which the restore drill restores. Write it before the patterns: [\"orders\", \"*\"]."
  }
}

variable "exclude_topics" {
  description = "Topics that patterns of topics do not take."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for entry in var.exclude_topics : entry != ""])
    error_message = "exclude_topics must not hold an empty entry."
  }
}

variable "email" {
  description = "Who gets the alarms; the address has to confirm once. Null: no alarms are made."
  type        = string
  default     = null

  validation {
    condition     = var.email == null || can(regex("^[^@\\s]+@[^@\\s]+$", var.email))
    error_message = "email must be an e-mail address."
  }
}

variable "lock_days" {
  description = "For how many days from its writing no version of an object can be deleted. Null: ten years, which a role with s3:BypassGovernanceRetention can lift. 1 for a first try, which can then be deleted tomorrow: a warning says that older segments are unprotected."
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
    error_message = "packages must be the folder of the two packages, which docs/walkthrough-aws.md builds in step 1."
  }
}
