locals {
  # function → property → name of the secret
  secrets = { for name, function in local.functions : name => function.kafka.secrets }

  make_vault     = var.key_vault == null && anytrue([for secrets in values(local.secrets) : length(secrets) > 0])
  key_vault_id   = local.make_vault ? azurerm_key_vault.this[0].id : one(var.key_vault[*].id)
  key_vault_name = local.make_vault ? azurerm_key_vault.this[0].name : try(reverse(split("/", var.key_vault.id))[0], null)

  # The created vault contains only these secrets, which are added later. In an existing vault, access to each secret by name.
  readable_secrets = merge([
    for function, secrets in local.secrets : {
      for secret in(local.make_vault ? (length(secrets) > 0 ? ["*"] : []) : distinct(values(secrets))) : "${function}/${secret}" => {
        function = function
        scope    = secret == "*" ? local.key_vault_id : "${local.key_vault_id}/secrets/${secret}"
      }
    }
  ]...)
}

resource "azurerm_key_vault" "this" {
  #checkov:skip=CKV_AZURE_109:Outside of a virtual network a function has no fixed address. With var.network everything but the subnet is denied.
  #checkov:skip=CKV_AZURE_189:Optional (network.public_access): it requires a private endpoint; the service endpoint of the subnet is free.
  #checkov:skip=CKV2_AZURE_32:A service endpoint (var.network) keeps the traffic inside; a private endpoint is optional (network.private_endpoints).
  count = local.make_vault ? 1 : 0

  name                = "${var.name}-kv-${local.suffix}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  tenant_id           = data.azurerm_client_config.current.tenant_id
  sku_name            = "standard"

  rbac_authorization_enabled    = true
  public_network_access_enabled = local.public_access
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90

  network_acls {
    default_action             = var.network == null ? "Allow" : "Deny"
    bypass                     = "AzureServices"
    ip_rules                   = var.network == null ? [] : var.network.allowed_ip_ranges
    virtual_network_subnet_ids = var.network[*].subnet_id
  }
}

resource "azurerm_role_assignment" "secrets" {
  for_each = local.readable_secrets

  description          = "Kafka ${each.value.function}: can read the secrets of its Kafka client."
  scope                = each.value.scope
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.function[each.value.function].principal_id
  principal_type       = "ServicePrincipal"
}
