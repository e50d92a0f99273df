resource "azurerm_user_assigned_identity" "function" {
  for_each = local.functions

  name                = "${var.name}-${each.key}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

locals {
  # The scope is the subscription of the account, wherever the definition was created. Azure returns this ID; another one would replace the
  # assignments.
  blobs_role_id = "/subscriptions/${split("/", local.account_group_id)[2]}/providers/Microsoft.Authorization/roleDefinitions/${azapi_resource.blobs_role.name}"

  # Restore writes its checkpoints, and reads everything else. A condition means "not this action, or only where".
  # https://learn.microsoft.com/azure/role-based-access-control/conditions-format
  conditions = {
    backup  = null
    restore = <<-EOT
      (
       (
        !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write'})
       )
       OR
       (
        @Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path] StringLike '${local.prefix}@restore/*'
       )
      )
    EOT
  }
}

# A custom role, because Azure's Storage Blob Data Contributor also deletes blobs and the whole container. A condition cannot prevent the latter
# (conditions apply to data actions only). It is created first, in parallel with the storage account, so it is mostly effective when it is assigned.
resource "azapi_resource" "blobs_role" {
  type      = "Microsoft.Authorization/roleDefinitions@2022-04-01"
  name      = uuidv5("url", "${local.resource_group_id}/${var.name}/blobs")
  parent_id = local.resource_group_id

  body = {
    properties = {
      roleName         = "Kafka backup ${var.name}-${local.suffix}: reads and writes blobs" # unique in the tenant
      description      = "Reads, lists, creates and replaces blobs. Deletes none, and does nothing to containers."
      type             = "CustomRole"
      assignableScopes = distinct([local.resource_group_id, local.account_group_id])
      permissions = [{
        actions     = []
        dataActions = keys(jsondecode(file("${path.module}/actions.json")).granted)
      }]
    }
  }

  # The service can return the scope in the case of another call.
  ignore_casing = true
  retry         = local.retry
}

# azapi, because azurerm does not retry if a new role is not effective everywhere yet (RoleDefinitionDoesNotExist).
resource "azapi_resource" "backups_role_assignment" {
  for_each = local.functions

  type      = "Microsoft.Authorization/roleAssignments@2022-04-01"
  name      = uuidv5("url", "${local.resource_group_id}/${var.name}/${each.key}/${local.account_name}/${local.container_name}")
  parent_id = local.container_id

  body = {
    properties = merge(
      {
        description      = "Kafka ${each.key}: the container of the backups."
        roleDefinitionId = local.blobs_role_id
        principalId      = azurerm_user_assigned_identity.function[each.key].principal_id
        principalType    = "ServicePrincipal"
      },
      { for condition in local.conditions[each.key][*] : "condition" => condition },
      { for condition in local.conditions[each.key][*] : "conditionVersion" => "2.0" },
    )
  }

  ignore_casing = true
  retry         = local.retry
}

# The role that the Functions host requires for its own account, where it creates containers, and for reading the package.
resource "azurerm_role_assignment" "host" {
  for_each = local.functions

  description          = "Kafka ${each.key}: the account of its own Functions host."
  scope                = azurerm_storage_account.host[each.key].id
  role_definition_name = "Storage Blob Data Owner"
  principal_id         = azurerm_user_assigned_identity.function[each.key].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "telemetry" {
  for_each = local.functions

  description          = "Kafka ${each.key}: sends its logs."
  scope                = azurerm_application_insights.this.id
  role_definition_name = "Monitoring Metrics Publisher"
  principal_id         = azurerm_user_assigned_identity.function[each.key].principal_id
  principal_type       = "ServicePrincipal"
}
