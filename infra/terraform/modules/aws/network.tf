# The way of the functions to the brokers, to S3 and to the secret. They accept nothing. Of S3 they reach every bucket in the region: which ones
# they may use is up to their roles. The gateway endpoint has no policy of its own, because everybody in those route tables goes through it.

locals {
  networks = var.network == null ? 0 : 1

  # Only a list that is null says that there is a group: the id of a group made in the same run is not known yet.
  by_group = var.network != null && try(var.network.broker_cidrs, null) == null
  # The brokers of another cluster to restore into, while there is a restore.
  restores_by_group = var.restore != null && try(var.network.restore_brokers != null, false)

  bootstrap_servers = join(",", [for function in values(local.functions) : function.kafka.bootstrap_servers])
  broker_ports = toset(
    var.network == null ? [] :
    var.network.broker_ports != null ? [for port in var.network.broker_ports : tostring(port)] :
    [for port in regexall(":([0-9]+)", local.bootstrap_servers) : port[0]]
  )
  # A port and a range each.
  broker_ranges = {
    for pair in setproduct(local.broker_ports, local.by_group ? [] : try(var.network.broker_cidrs, [])) : "${pair[0]}-${pair[1]}" => { port = pair[0], cidr = pair[1] }
  }

  uses_secret          = length([for function in values(local.functions) : true if contains(local.secret_auths, function.kafka.auth)]) > 0
  makes_s3_endpoint    = try(var.network.route_table_ids != null, false)
  makes_secrets_access = var.network != null && local.uses_secret
  makes_secrets        = local.makes_secrets_access && try(var.network.secrets_endpoint, false)

  # All ranges of the VPC, the first one and those that were added. The state is that of the range in the VPC.
  vpc_cidrs = !local.makes_secrets_access ? [] : distinct(concat(
    [data.aws_vpc.this[0].cidr_block],
    [for range in data.aws_vpc.this[0].cidr_block_associations : range.cidr_block if range.state == "associated"],
  ))
}

data "aws_vpc" "this" {
  count = local.makes_secrets_access ? 1 : 0

  id = var.network.vpc_id
}

resource "aws_security_group" "function" {
  #checkov:skip=CKV2_AWS_5:attached to the functions in function.tf
  count = local.networks

  name        = "${var.name}-function"
  description = "Functions of ${var.name}: nothing comes in"
  vpc_id      = var.network.vpc_id
  tags        = local.tags
}

resource "aws_vpc_security_group_egress_rule" "broker_ranges" {
  for_each = local.broker_ranges

  security_group_id = aws_security_group.function[0].id
  description       = "Kafka brokers"
  ip_protocol       = "tcp"
  from_port         = tonumber(each.value.port)
  to_port           = tonumber(each.value.port)
  cidr_ipv4         = each.value.cidr
  tags              = local.tags
}

resource "aws_vpc_security_group_egress_rule" "broker_group" {
  for_each = local.by_group ? local.broker_ports : toset([])

  security_group_id            = aws_security_group.function[0].id
  description                  = "Kafka brokers"
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
  referenced_security_group_id = var.network.broker_security_group_id
  tags                         = local.tags
}

# The other side of the same door, in the brokers' group.
resource "aws_vpc_security_group_ingress_rule" "broker_group" {
  for_each = local.by_group ? local.broker_ports : toset([])

  security_group_id            = var.network.broker_security_group_id
  description                  = "Functions of ${var.name}"
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
  referenced_security_group_id = aws_security_group.function[0].id
  tags                         = local.tags
}

# The same two for the cluster to restore into.
resource "aws_vpc_security_group_egress_rule" "restore_brokers" {
  for_each = local.restores_by_group ? local.broker_ports : toset([])

  security_group_id            = aws_security_group.function[0].id
  description                  = "Kafka brokers of the restore"
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
  referenced_security_group_id = var.network.restore_brokers.security_group_id
  tags                         = local.tags
}

resource "aws_vpc_security_group_ingress_rule" "restore_brokers" {
  for_each = local.restores_by_group ? local.broker_ports : toset([])

  security_group_id            = var.network.restore_brokers.security_group_id
  description                  = "Functions of ${var.name}"
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
  referenced_security_group_id = aws_security_group.function[0].id
  tags                         = local.tags
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  count = local.networks

  security_group_id = aws_security_group.function[0].id
  description       = "S3 through its gateway endpoint"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  prefix_list_id    = local.makes_s3_endpoint ? aws_vpc_endpoint.s3[0].prefix_list_id : var.network.s3_prefix_list_id
  tags              = local.tags
}

resource "aws_vpc_endpoint" "s3" {
  count = local.makes_s3_endpoint ? 1 : 0

  vpc_id            = var.network.vpc_id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${local.region}.s3"
  route_table_ids   = var.network.route_table_ids
  tags              = merge(local.tags, { Name = "${var.name}-s3" })
}

resource "aws_vpc_security_group_egress_rule" "secrets" {
  count = local.makes_secrets ? 1 : 0

  security_group_id            = aws_security_group.function[0].id
  description                  = "Secrets Manager through its endpoint"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.secrets[0].id
  tags                         = local.tags
}

# An endpoint that exists can be anywhere in the VPC.
resource "aws_vpc_security_group_egress_rule" "secrets_range" {
  for_each = local.makes_secrets ? toset([]) : toset(local.vpc_cidrs)

  security_group_id = aws_security_group.function[0].id
  description       = "Secrets Manager through its endpoint in the VPC"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.key
  tags              = local.tags
}

resource "aws_vpc_endpoint" "secrets" {
  count = local.makes_secrets ? 1 : 0

  vpc_id              = var.network.vpc_id
  vpc_endpoint_type   = "Interface"
  service_name        = "com.amazonaws.${local.region}.secretsmanager"
  subnet_ids          = var.network.subnet_ids
  security_group_ids  = [aws_security_group.secrets[0].id]
  private_dns_enabled = true
  tags                = merge(local.tags, { Name = "${var.name}-secretsmanager" })
}

# From the whole VPC: its private name now leads here for everyone in the VPC, not only for the functions. The rule stands in the group because
# the ranges of a VPC that is made in the same run are not known yet, and a rule for each of them could not be planned.
resource "aws_security_group" "secrets" {
  #checkov:skip=CKV2_AWS_5:attached to the endpoint above
  count = local.makes_secrets ? 1 : 0

  name        = "${var.name}-secretsmanager"
  description = "Secrets Manager endpoint of ${var.name}"
  vpc_id      = var.network.vpc_id
  tags        = local.tags

  ingress {
    description     = "HTTPS from the VPC"
    protocol        = "tcp"
    from_port       = 443
    to_port         = 443
    cidr_blocks     = local.vpc_cidrs
    security_groups = [aws_security_group.function[0].id]
  }
}
