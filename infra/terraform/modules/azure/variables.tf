variable "name" {
  description = "Prefix of the names of all resources. 3 to 14 lowercase letters, digits and hyphens, because some names in Azure are limited to 24 characters."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,12}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name must have 3 to 14 characters: lowercase letters, digits and single hyphens, beginning with a letter and not ending with a hyphen."
  }
}

variable "resource_group_name" {
  description = "The resource group of all resources. It must exist."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[\\w().-]{0,89}[\\w()-]$", var.resource_group_name))
    error_message = "resource_group_name must be a legal name of a resource group: 1 to 90 letters, digits, '_', '-', '.', '(' or ')', not ending with '.'."
  }
}

variable "location" {
  description = "The region, in its short form (westeurope). It must offer Flex Consumption: az functionapp list-flexconsumption-locations."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]+$", var.location))
    error_message = "location must be a region in its short form, such as westeurope."
  }
}

variable "tags" {
  description = "Tags of all resources that support tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "network" {
  description = <<-EOT
    The virtual network of the functions. null: none.
    - subnet_id: a subnet delegated to Microsoft.App/environments, with the service endpoints Microsoft.Storage and Microsoft.KeyVault. One app can use all addresses of a /27.
    - allowed_ip_ranges: public addresses (203.0.113.7 or 203.0.113.0/29) of people who read the backups or set the secrets. Other public access is refused.
    - private_endpoints: private endpoints of the backups and of the created vault. subnet_id: their subnet, which is not the delegated one. blob_dns_zone_ids, vault_dns_zone_ids: private DNS zones that are linked to the network (privatelink.blob.core.windows.net, privatelink.vaultcore.azure.net).
    - public_access: false refuses all public access to the backups, the vault and the function apps. Only private endpoints remain. Packages then require package_uri.
  EOT
  type = object({
    subnet_id         = string
    allowed_ip_ranges = optional(list(string), [])
    private_endpoints = optional(object({
      subnet_id          = string
      blob_dns_zone_ids  = optional(list(string), [])
      vault_dns_zone_ids = optional(list(string), [])
    }))
    public_access = optional(bool, true)
  })
  default = null

  validation {
    condition     = var.network == null ? true : can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Network/virtualNetworks/[^/]+/subnets/[^/]+$", var.network.subnet_id))
    error_message = "network.subnet_id must be the resource ID of a subnet."
  }
  validation {
    condition = var.network == null ? true : alltrue([
      for range in var.network.allowed_ip_ranges : can(cidrhost(strcontains(range, "/") ? range : "${range}/32", 0)) && !endswith(range, "/31") && !endswith(range, "/32")
    ])
    error_message = "network.allowed_ip_ranges must be IPv4 addresses, or ranges of /30 or larger: storage accounts accept a /31 or /32 only as single addresses."
  }
  validation {
    condition     = try(var.network.private_endpoints, null) == null ? true : can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Network/virtualNetworks/[^/]+/subnets/[^/]+$", var.network.private_endpoints.subnet_id)) && lower(var.network.private_endpoints.subnet_id) != lower(var.network.subnet_id)
    error_message = "network.private_endpoints.subnet_id must be the resource ID of a subnet, in the letter case of az network vnet subnet show, and must differ from network.subnet_id, which is delegated to the functions."
  }
  validation {
    condition     = try(var.network.private_endpoints, null) == null ? true : alltrue([for id in concat(var.network.private_endpoints.blob_dns_zone_ids, var.network.private_endpoints.vault_dns_zone_ids) : can(regex("(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Network/privateDnsZones/[^/]+$", id))])
    error_message = "network.private_endpoints: blob_dns_zone_ids and vault_dns_zone_ids must be resource IDs of private DNS zones."
  }
  validation {
    condition     = try(var.network.public_access, true) || try(var.network.private_endpoints, null) != null && length(try(var.network.allowed_ip_ranges, [])) == 0
    error_message = "network.public_access = false requires network.private_endpoints, and cannot be combined with network.allowed_ip_ranges."
  }
}
