# In a VPC: egress to the brokers, the bucket and the secret, and no ingress.

provider "aws" {
  region = "eu-central-1"
}

# A VPC with an additional CIDR block, and one that was removed.
override_data {
  target = data.aws_vpc.this[0]
  values = {
    cidr_block = "10.0.0.0/16"
    cidr_block_associations = [
      { association_id = "vpc-cidr-assoc-0a", cidr_block = "10.0.0.0/16", state = "associated" },
      { association_id = "vpc-cidr-assoc-0b", cidr_block = "100.64.0.0/16", state = "associated" },
      { association_id = "vpc-cidr-assoc-0c", cidr_block = "10.9.0.0/16", state = "disassociated" },
    ]
  }
}

variables {
  alarms = { emails = ["oncall@example.com"] }
  name   = "kb"
  topics = ["orders"]
  kafka = {
    bootstrap_servers = "b-1.example.com:9096,b-2.example.com:9096"
    auth              = "SCRAM-SHA-512"
    secret_arn        = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_backup-a1b2c3"
  }
  backup = { package_path = "tests/package.zip" }
  network = {
    vpc_id                   = "vpc-0a"
    subnet_ids               = ["subnet-0a", "subnet-0b"]
    broker_security_group_id = "sg-0brokers"
    route_table_ids          = ["rtb-0a"]
  }
}

run "broker_group" {
  assert {
    condition     = aws_lambda_function.this["backup"].vpc_config[0].subnet_ids == toset(["subnet-0a", "subnet-0b"]) && aws_lambda_function.this["backup"].vpc_config[0].security_group_ids == toset([output.security_group_id])
    error_message = "the function is in the VPC"
  }
  assert {
    condition     = jsonencode({ for port, rule in aws_vpc_security_group_egress_rule.broker_group : port => [rule.from_port, rule.to_port, rule.ip_protocol, rule.referenced_security_group_id, rule.security_group_id] }) == jsonencode({ "9096" = [9096, 9096, "tcp", "sg-0brokers", output.security_group_id] })
    error_message = "out to the brokers, on the port of bootstrap_servers"
  }
  assert {
    condition     = jsonencode({ for port, rule in aws_vpc_security_group_ingress_rule.broker_group : port => [rule.from_port, rule.to_port, rule.referenced_security_group_id, rule.security_group_id] }) == jsonencode({ "9096" = [9096, 9096, output.security_group_id, "sg-0brokers"] })
    error_message = "in at the brokers"
  }
  assert {
    condition = alltrue([
      aws_vpc_endpoint.s3[0].service_name == "com.amazonaws.eu-central-1.s3",
      aws_vpc_endpoint.s3[0].vpc_endpoint_type == "Gateway",
      aws_vpc_endpoint.s3[0].route_table_ids == toset(["rtb-0a"]),
      aws_vpc_security_group_egress_rule.s3[0].prefix_list_id == aws_vpc_endpoint.s3[0].prefix_list_id,
      aws_vpc_security_group_egress_rule.s3[0].from_port == 443,
    ])
    error_message = "the bucket through the gateway endpoint"
  }
  assert {
    condition = alltrue([
      aws_vpc_endpoint.secrets[0].service_name == "com.amazonaws.eu-central-1.secretsmanager",
      aws_vpc_endpoint.secrets[0].private_dns_enabled,
      aws_vpc_endpoint.secrets[0].subnet_ids == toset(["subnet-0a", "subnet-0b"]),
      aws_vpc_endpoint.secrets[0].security_group_ids == toset([aws_security_group.secrets[0].id]),
      aws_vpc_security_group_egress_rule.secrets[0].referenced_security_group_id == aws_security_group.secrets[0].id,
      aws_vpc_security_group_egress_rule.secrets[0].from_port == 443,
      length(aws_vpc_security_group_egress_rule.secrets_range) == 0,
    ])
    error_message = "the secret through its endpoint, and nowhere else"
  }
  assert {
    condition = jsonencode([for rule in aws_security_group.secrets[0].ingress : [rule.protocol, rule.from_port, rule.to_port, sort(rule.cidr_blocks), rule.security_groups]]) == jsonencode([
      ["tcp", 443, 443, ["10.0.0.0/16", "100.64.0.0/16"], [output.security_group_id]],
    ])
    error_message = "the endpoint answers the functions, and all ranges of the VPC: ${jsonencode(aws_security_group.secrets[0].ingress)}"
  }
  assert {
    condition = jsonencode({ for statement in jsondecode(output.policies["backup"]).Statement : statement.Sid => [statement.Effect, sort(statement.Action), statement.Resource, jsonencode(try(statement.Condition, null))] if contains(["Network", "NotTheCode"], statement.Sid) }) == jsonencode({
      for sid, rest in { Network = ["Allow", "null"], NotTheCode = ["Deny", "{\"ArnEquals\":{\"lambda:SourceFunctionArn\":\"arn:aws:lambda:eu-central-1:123456789012:function:kb-backup\"}}"] } : sid => [rest[0], [
        "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
      ], "*", rest[1]]
    })
    error_message = "Lambda can create network interfaces, and the code cannot: ${output.policies["backup"]}"
  }
}

run "broker_ranges_and_endpoints_that_exist" {
  variables {
    network = {
      vpc_id            = "vpc-0a"
      subnet_ids        = ["subnet-0a"]
      broker_cidrs      = ["10.1.0.0/24", "10.1.1.0/24"]
      broker_ports      = [9096, 14001]
      s3_prefix_list_id = "pl-0a"
      secrets_endpoint  = false
    }
  }

  assert {
    condition     = jsonencode(keys(aws_vpc_security_group_egress_rule.broker_ranges)) == jsonencode(["14001-10.1.0.0/24", "14001-10.1.1.0/24", "9096-10.1.0.0/24", "9096-10.1.1.0/24"]) && length(aws_vpc_security_group_egress_rule.broker_group) == 0
    error_message = "a rule for each port and range: ${jsonencode(keys(aws_vpc_security_group_egress_rule.broker_ranges))}"
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.broker_group) == 0 && length(aws_vpc_endpoint.s3) == 0 && output.s3_endpoint_id == null && length(aws_vpc_endpoint.secrets) == 0 && length(aws_security_group.secrets) == 0
    error_message = "no resource of others is changed"
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.s3[0].prefix_list_id == "pl-0a" && jsonencode({ for range, rule in aws_vpc_security_group_egress_rule.secrets_range : range => [rule.cidr_ipv4, rule.from_port, rule.to_port] }) == jsonencode({ for range in ["10.0.0.0/16", "100.64.0.0/16"] : range => [range, 443, 443] })
    error_message = "the endpoints that exist can be reached"
  }
}

run "no_secret" {
  variables {
    kafka = {
      bootstrap_servers = "b-1.example.com:9098"
      msk_cluster_arn   = "arn:aws:kafka:eu-central-1:123456789012:cluster/events/1d3a-7"
    }
  }

  assert {
    condition     = length(aws_vpc_endpoint.secrets) == 0 && length(aws_vpc_security_group_egress_rule.secrets) == 0 && length(aws_vpc_security_group_egress_rule.secrets_range) == 0
    error_message = "no access to an unused secret"
  }
}

run "another_cluster_to_restore_into" {
  variables {
    restore       = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders" }
    restore_kafka = { bootstrap_servers = "b-1.other.example.com:9098", msk_cluster_arn = "arn:aws:kafka:eu-central-1:123456789012:cluster/other/1d3a-7" }
    network = {
      vpc_id                   = "vpc-0a"
      subnet_ids               = ["subnet-0a"]
      broker_security_group_id = "sg-0brokers"
      restore_brokers          = { security_group_id = "sg-0others" }
      route_table_ids          = ["rtb-0a"]
    }
  }

  assert {
    condition     = jsonencode({ for port, rule in aws_vpc_security_group_egress_rule.restore_brokers : port => [rule.from_port, rule.to_port, rule.ip_protocol, rule.referenced_security_group_id, rule.security_group_id] }) == jsonencode({ for port in [9096, 9098] : port => [port, port, "tcp", "sg-0others", output.security_group_id] })
    error_message = "out to the other brokers: ${jsonencode(aws_vpc_security_group_egress_rule.restore_brokers)}"
  }
  assert {
    condition     = jsonencode({ for port, rule in aws_vpc_security_group_ingress_rule.restore_brokers : port => [rule.from_port, rule.to_port, rule.referenced_security_group_id, rule.security_group_id] }) == jsonencode({ for port in [9096, 9098] : port => [port, port, output.security_group_id, "sg-0others"] })
    error_message = "in at the other brokers: ${jsonencode(aws_vpc_security_group_ingress_rule.restore_brokers)}"
  }
  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.broker_group : rule.security_group_id if rule.from_port == 9096] == ["sg-0brokers"]
    error_message = "and still to those that are backed up"
  }
}

run "no_way_to_another_cluster_without_a_restore" {
  variables {
    restore_kafka = { bootstrap_servers = "b-1.other.example.com:9098", msk_cluster_arn = "arn:aws:kafka:eu-central-1:123456789012:cluster/other/1d3a-7" }
    network = {
      vpc_id          = "vpc-0a"
      subnet_ids      = ["subnet-0a"]
      broker_cidrs    = ["10.1.0.0/24"]
      restore_brokers = { security_group_id = "sg-0others" }
      route_table_ids = ["rtb-0a"]
    }
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.restore_brokers) == 0 && length(aws_vpc_security_group_ingress_rule.restore_brokers) == 0
    error_message = "no access to a target cluster without a restore"
  }
}

run "one_zone" {
  variables {
    restore = { package_path = "tests/package.zip", backup_topics = ["orders"], restore_topic = "orders.restored" }
    network = {
      vpc_id            = "vpc-0123456789abcdef0", subnet_ids = ["subnet-0123456789abcdef0"], zone_id = "use1-az1", broker_cidrs = ["10.0.0.0/16"]
      s3_prefix_list_id = "pl-0123456789abcdef0", secrets_endpoint = false
    }
  }

  assert {
    condition     = output.environment["backup"].KAFKA_CLIENT_RACK == "use1-az1" && !contains(keys(output.environment["restore"]), "KAFKA_CLIENT_RACK")
    error_message = "the backup reads in its zone; a restore writes to leaders, wherever they are"
  }
}
