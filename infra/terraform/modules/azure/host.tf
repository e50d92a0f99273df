# The storage account of the Functions host, one for each app: package, lock and status of the timer, keys. It contains no backups, so the wide
# role that the host requires (identity.tf) gives no access to backups.
resource "azurerm_storage_account" "host" {
  #checkov:skip=CKV_AZURE_33:It contains no queue: timers need none.
  #checkov:skip=CKV_AZURE_35:The platform uploads packages from outside of the subnet: a closed account refuses them (BlobUploadFailedException).
  #checkov:skip=CKV_AZURE_59:The same. Access only by identity: no keys, no anonymous access.
  #checkov:skip=CKV_AZURE_206:The next deployment creates its content again.
  #checkov:skip=CKV2_AZURE_1:It contains a public program and a lock: no need for a customer key.
  #checkov:skip=CKV2_AZURE_33:The platform uploads packages from outside of the subnet.
  #checkov:skip=CKV2_AZURE_38:The next deployment creates its content again.
  for_each = local.functions

  name                = "${local.compact}h${substr(each.key, 0, 3)}${local.suffix}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  account_kind             = "StorageV2"
  account_tier             = "Standard"
  account_replication_type = "LRS"

  min_tls_version                   = "TLS1_2"
  https_traffic_only_enabled        = true
  shared_access_key_enabled         = false
  default_to_oauth_authentication   = true
  allow_nested_items_to_be_public   = false
  cross_tenant_replication_enabled  = false
  local_user_enabled                = false
  infrastructure_encryption_enabled = true

  sas_policy {
    expiration_period = "01.00:00:00"
    expiration_action = "Log"
  }
}

resource "azurerm_storage_container" "package" {
  #checkov:skip=CKV2_AZURE_21:It contains the package, which the platform reads at each start.
  for_each = local.functions

  name                  = "package"
  storage_account_id    = azurerm_storage_account.host[each.key].id
  container_access_type = "private"
}
