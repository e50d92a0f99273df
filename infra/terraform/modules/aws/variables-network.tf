variable "network" {
  description = <<-EOT
    The VPC through which the functions reach Kafka; null: the brokers are reached through the internet.
    - vpc_id: the VPC.
    - subnet_ids: private subnets, in the zones of the brokers.
    - zone_id: id of the zone of all subnet_ids, such as use1-az1: brokers then let the backup read from replicas in it (client.rack), which is free. While that zone is out, nothing runs.
    - broker_security_group_id: the brokers' group. A rule that lets the functions in is added to it.
    - restore_brokers: the group of restore_kafka's brokers, where it is another one. The same rules are made for it while there is a restore.
    - broker_cidrs: instead of the group: where the brokers are, those of restore_kafka included.
    - broker_ports: default: the ports of bootstrap_servers. Brokers may advertise others.
    - route_table_ids: of the subnets: an S3 gateway endpoint is made and entered there.
    - s3_prefix_list_id: instead of route_table_ids, where the VPC has an S3 gateway endpoint: the prefix list of S3.
    - secrets_endpoint: false where the VPC has an endpoint of Secrets Manager; the VPC must exist then before this is planned. One is made only if a secret is used.
  EOT
  type = object({
    vpc_id                   = string
    subnet_ids               = list(string)
    zone_id                  = optional(string)
    broker_security_group_id = optional(string)
    restore_brokers          = optional(object({ security_group_id = string }))
    broker_cidrs             = optional(list(string))
    broker_ports             = optional(list(number))
    route_table_ids          = optional(list(string))
    s3_prefix_list_id        = optional(string)
    secrets_endpoint         = optional(bool, true)
  })
  default = null

  validation {
    condition     = var.network == null ? true : length(var.network.subnet_ids) > 0
    error_message = "network.subnet_ids must name at least one subnet."
  }
  validation {
    condition     = try(var.network.zone_id, null) == null ? true : can(regex("^[a-z]{2,4}[a-z0-9]*-az[0-9]+$", var.network.zone_id))
    error_message = "network.zone_id must be the id of a zone, such as use1-az1, and not its name (us-east-1a): names differ from account to account."
  }
  validation {
    condition     = try(var.network.zone_id, null) == null || !contains(keys(var.kafka.properties), "client.rack")
    error_message = "network.zone_id sets client.rack: leave it out of kafka.properties."
  }
  validation {
    condition     = var.network == null ? true : (var.network.broker_security_group_id != null) != (var.network.broker_cidrs != null)
    error_message = "network needs either broker_security_group_id or broker_cidrs."
  }
  validation {
    condition     = try(var.network.restore_brokers.security_group_id != var.network.broker_security_group_id, true)
    error_message = "network.restore_brokers.security_group_id is broker_security_group_id, whose rules are made already: leave restore_brokers out."
  }
  validation {
    condition     = try(var.network.restore_brokers == null, true) || var.restore_kafka != null
    error_message = "network.restore_brokers is the way to another cluster: name that in restore_kafka, or leave restore_brokers out."
  }
  validation {
    condition     = var.network == null ? true : (var.network.route_table_ids != null) != (var.network.s3_prefix_list_id != null)
    error_message = "network needs either route_table_ids (an S3 gateway endpoint is made) or s3_prefix_list_id (there is one): without it the functions cannot reach the bucket."
  }
  validation {
    condition     = var.network == null ? true : alltrue([for list in [var.network.broker_cidrs, var.network.broker_ports, var.network.route_table_ids] : list == null ? true : length(list) > 0])
    error_message = "network.broker_cidrs, broker_ports and route_table_ids must not be empty lists, with which the functions would reach nothing: leave out what is not used."
  }
  validation {
    condition     = var.network == null || try(var.network.broker_ports, null) == null ? true : alltrue([for port in var.network.broker_ports : port >= 1 && port <= 65535 && floor(port) == port])
    error_message = "network.broker_ports must be ports, from 1 to 65535."
  }
  validation {
    condition     = try(alltrue([for cidr in var.network.broker_cidrs : can(cidrhost(cidr, 0))]), true)
    error_message = "network.broker_cidrs must be CIDR blocks such as 10.0.0.0/16."
  }
}
