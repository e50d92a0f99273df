resource "azurerm_service_plan" "function" {
  #checkov:skip=CKV_AZURE_212:Flex Consumption starts instances on demand; its plan has no instances.
  #checkov:skip=CKV_AZURE_225:A timer runs on one instance; the next tick can start another one.
  for_each = local.functions

  name                = "${var.name}-${each.key}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  os_type             = "Linux"
  sku_name            = "FC1"
}

locals {
  # azurerm writes serverFarms, the service serverfarms. Only the type is replaced, because a plan can also have that name.
  plan_ids = { for name, plan in azurerm_service_plan.function : name => replace(plan.id, "/(?i)/providers/Microsoft[.]Web/serverfarms//", "/providers/Microsoft.Web/serverfarms/") }
}

# azapi, because azurerm_function_app_flex_consumption always adds a connection string AzureWebJobsStorage, which takes precedence over the settings
# of the identity, and cannot set the identity for Key Vault references.
#
# IDs and types are written as the service returns them. azapi compares the two: a difference would be a change in every plan, and every apply
# would write all settings again, which restarts the app.
resource "azapi_resource" "function" {
  for_each = local.functions

  type      = "Microsoft.Web/sites@2024-04-01"
  name      = "${var.name}-${each.key}-${local.suffix}"
  parent_id = local.resource_group_id
  location  = var.location
  tags      = var.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.function[each.key].id]
  }

  body = {
    kind = "functionapp,linux"
    properties = merge(
      {
        serverFarmId              = local.plan_ids[each.key]
        httpsOnly                 = true
        keyVaultReferenceIdentity = azurerm_user_assigned_identity.function[each.key].id

        functionAppConfig = {
          deployment = {
            storage = {
              type  = "blobcontainer"
              value = "${azurerm_storage_account.host[each.key].primary_blob_endpoint}${azurerm_storage_container.package[each.key].name}"
              authentication = {
                type                           = "userassignedidentity"
                userAssignedIdentityResourceId = azurerm_user_assigned_identity.function[each.key].id
              }
            }
          }
          runtime = {
            name    = "custom"
            version = "1.0"
          }
          # A timer runs on one instance. 40 is the minimum that every version of the service accepts.
          scaleAndConcurrency = {
            instanceMemoryMB     = each.value.instance_memory_mb
            maximumInstanceCount = 40
          }
        }

        siteConfig = {
          minTlsVersion    = "1.2"
          scmMinTlsVersion = "1.2"
          appSettings      = [for key, value in local.app_settings[each.key] : { name = key, value = value }]
        }
      },
      { for subnet_id in var.network[*].subnet_id : "virtualNetworkSubnetId" => subnet_id },
      local.public_access ? {} : { publicNetworkAccess = "Disabled" },
    )
  }

  # IDs that differ only in case are the same, for example the subnet of the caller.
  ignore_casing = true
  retry         = local.retry

  # The first start needs storage, secrets and logs.
  depends_on = [
    azapi_resource.backups_role_assignment,
    azurerm_role_assignment.host,
    azurerm_role_assignment.secrets,
    azurerm_role_assignment.telemetry,
  ]
}

# No passwords for publishing. Packages are deployed with an Entra ID token.
resource "azapi_update_resource" "no_publishing_passwords" {
  for_each = { for pair in setproduct(keys(local.functions), ["ftp", "scm"]) : join("/", pair) => { function = pair[0], name = pair[1] } }

  type      = "Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01"
  parent_id = azapi_resource.function[each.value.function].id
  name      = each.value.name
  body      = { properties = { allow = false } }

  ignore_casing = true
  retry         = local.retry
}

# The service downloads the package and keeps it in the app's account. It downloads again when the address changes, and after the app was created
# again.
resource "azapi_resource_action" "package" {
  for_each = { for name, function in local.functions : name => function.package_uri if function.package_uri != null }

  type        = "Microsoft.Web/sites@2024-04-01"
  resource_id = azapi_resource.function[each.key].id
  action      = "extensions/onedeploy"
  method      = "PUT"

  body = {
    properties = {
      packageUri  = each.value
      remoteBuild = false
    }
  }

  # The role of the identity on the app's account can take minutes until it is effective.
  retry = {
    error_message_regex  = ["BlobUploadFailedException", "AuthorizationFailure", "AuthorizationPermissionMismatch"]
    interval_seconds     = 30
    max_interval_seconds = 60
  }

  lifecycle {
    replace_triggered_by = [azapi_resource.function[each.key].id]
  }
}
