variable "network" {
  description = <<-EOT
    The VPC of the functions. null: the functions reach the brokers through the internet.
    - vpc_id: the VPC.
    - subnet_ids: private subnets, in the zones of the brokers.
    - zone_id: id of the zone of all subnet_ids, such as use1-az1. The backup then reads from replicas in this zone (client.rack), which is free. During an outage of the zone no function runs.
    - broker_security_group_id: security group of the brokers. The module adds a rule that allows the functions.
    - restore_brokers: security group of the brokers of restore_kafka, if it is another one. The module adds the same rules while there is a restore.
    - broker_cidrs: alternative to the group: CIDR blocks of the brokers, including those of restore_kafka.
    - broker_ports: ports of the brokers. Default: the ports of bootstrap_servers. Brokers can advertise others.
    - route_table_ids: route tables of the subnets. The module creates an S3 gateway endpoint with them.
    - s3_prefix_list_id: alternative to route_table_ids, if the VPC has an S3 gateway endpoint: the prefix list of S3.
    - secrets_endpoint: false if the VPC has an endpoint of Secrets Manager. The VPC must then exist before the plan. Otherwise the module creates one if a secret is used.
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
    error_message = "network.subnet_ids must contain at least one subnet."
  }
  validation {
    condition     = try(var.network.zone_id, null) == null ? true : can(regex("^[a-z]{2,4}[a-z0-9]*-az[0-9]+$", var.network.zone_id))
    error_message = "network.zone_id must be the id of a zone, such as use1-az1, and not its name (us-east-1a), which differs between accounts."
  }
  validation {
    condition     = try(var.network.zone_id, null) == null || !contains(keys(var.kafka.properties), "client.rack")
    error_message = "network.zone_id sets client.rack. Remove it from kafka.properties."
  }
  validation {
    condition     = var.network == null ? true : (var.network.broker_security_group_id != null) != (var.network.broker_cidrs != null)
    error_message = "network requires exactly one of broker_security_group_id and broker_cidrs."
  }
  validation {
    condition     = try(var.network.restore_brokers.security_group_id != var.network.broker_security_group_id, true)
    error_message = "network.restore_brokers.security_group_id is the same as broker_security_group_id, which has its rules already. Remove restore_brokers."
  }
  validation {
    condition     = try(var.network.restore_brokers == null, true) || var.restore_kafka != null
    error_message = "network.restore_brokers requires restore_kafka, the other cluster. Set restore_kafka, or remove restore_brokers."
  }
  validation {
    condition     = var.network == null ? true : (var.network.route_table_ids != null) != (var.network.s3_prefix_list_id != null)
    error_message = "network requires exactly one of route_table_ids (the module creates an S3 gateway endpoint) and s3_prefix_list_id (there is one). Without it the functions cannot reach the bucket."
  }
  validation {
    condition     = var.network == null ? true : alltrue([for list in [var.network.broker_cidrs, var.network.broker_ports, var.network.route_table_ids] : list == null ? true : length(list) > 0])
    error_message = "network.broker_cidrs, broker_ports and route_table_ids must not be empty lists, because the functions could then reach nothing. Remove those that are not used."
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
