variable "name" {
  description = "Prefix of the names of all resources."
  type        = string
  default     = "kafka-backup"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}[a-z0-9]$", var.name))
    error_message = "name must be 2 to 32 lower-case letters, digits and hyphens, starting with a letter and not ending with a hyphen."
  }
}

variable "region" {
  description = "Region of the MSK cluster and of all resources."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like us-east-1."
  }
}

variable "cluster_name" {
  description = "Name of the MSK cluster, which has IAM access control."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9-]{0,63}$", var.cluster_name))
    error_message = "cluster_name must be the name of an MSK cluster, not its ARN."
  }
}

variable "vpc_id" {
  description = "The VPC of the cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id must look like vpc-0123456789abcdef0."
  }
}

variable "subnet_tags" {
  description = "Tags of the private subnets of the functions, in the zones of the brokers."
  type        = map(string)
  default     = { Tier = "private" }
  nullable    = false
}

variable "zone_id" {
  description = "Pin the functions to the subnets of one zone, such as use1-az1. Reading from its brokers is free. During an outage of the zone no function runs. null: all zones."
  type        = string
  default     = null

  validation {
    condition     = var.zone_id == null || can(regex("^[a-z]{2,4}[a-z0-9]*-az[0-9]+$", var.zone_id))
    error_message = "zone_id must be the id of a zone, such as use1-az1."
  }
}

variable "broker_security_group_id" {
  description = "Security group of the brokers. The module adds a rule that allows the functions."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^sg-[0-9a-f]+$", var.broker_security_group_id))
    error_message = "broker_security_group_id must look like sg-0123456789abcdef0."
  }
}

variable "s3_prefix_list_id" {
  description = "Prefix list of S3 in the region, if the route tables of the subnets have an S3 gateway endpoint. null: the module creates one."
  type        = string
  default     = null

  validation {
    condition     = var.s3_prefix_list_id == null || can(regex("^pl-[0-9a-f]+$", var.s3_prefix_list_id))
    error_message = "s3_prefix_list_id must look like pl-0123456789abcdef0."
  }
}

variable "topics" {
  description = "Topics to back up: names, and patterns such as payments-* (with expire_days = null)."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.topics) > 0
    error_message = "topics must contain at least one topic."
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

variable "msk_topic_patterns" {
  description = "Topics that the backup can read, with * and ? as in ARNs. Required if topics contains a regular expression. null: topics."
  type        = list(string)
  default     = null

  validation {
    condition     = var.msk_topic_patterns == null ? true : length(var.msk_topic_patterns) > 0
    error_message = "msk_topic_patterns must contain a pattern, or be null."
  }
}

variable "expire_days" {
  description = "Days until segments are deleted. null: never, which is required for patterns in topics."
  type        = number
  default     = 400

  validation {
    condition     = var.expire_days == null || !anytrue([for entry in var.topics : can(regex("^\\^|[*?]", entry))])
    error_message = "expire_days requires names in topics. Replace the patterns by names, or set expire_days = null."
  }
}

variable "shards" {
  description = "Shards: invocations at the same time, each with its share of the partitions."
  type        = number
  default     = 4
  nullable    = false

  validation {
    condition     = var.shards >= 1 && var.shards <= 100
    error_message = "shards must be from 1 to 100."
  }
}

variable "drill" {
  description = "Restore drill: the topic to restore, its target, and whether the schedule of the restore is enabled. null: nothing in this deployment can write to Kafka."
  type = object({
    backup_topic  = string
    restore_topic = string
    id            = optional(string)
    enabled       = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.drill == null || try(var.drill.backup_topic != var.drill.restore_topic, false)
    error_message = "drill.restore_topic must differ from drill.backup_topic."
  }
}

variable "emails" {
  description = "Recipients of the alarms. Each must confirm the subscription once. Empty, and without alarm_topic_arn: no recipient."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))])
    error_message = "emails must be e-mail addresses."
  }
  validation {
    condition     = length(var.emails) == 0 || var.alarm_topic_arn == null
    error_message = "emails can only subscribe to the topic that the module creates. Remove emails or alarm_topic_arn."
  }
}

variable "alarm_topic_arn" {
  description = "SNS topic of the operators, instead of emails. null: the module creates one."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn == null || can(regex("^arn:[^:]+:sns:[^:]+:[0-9]{12}:.+$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn must be the ARN of an SNS topic."
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
