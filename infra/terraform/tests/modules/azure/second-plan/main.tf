# All that makes resources of the module, applied with stand-in providers: ../../../second-plan plans it a second time.

terraform {
  required_providers {
    azurerm = { source = "hashicorp/azurerm" }
    azapi   = { source = "Azure/azapi" }
  }
}

provider "azurerm" {
  features {}
}

provider "azapi" {}

module "everything" {
  source = "../modules/azure"

  name                = "orders"
  resource_group_name = "rg-orders"
  location            = "westeurope"
  tags                = { team = "data" }

  topics  = ["orders", "payments"]
  restore = { backup_topics = ["orders"], restore_topic = "restored", package_uri = "https://packages.example.org/v1/restore-batch-azure.zip" }
  kafka   = { bootstrap_servers = "kafka01:9092", secrets = { "sasl.password" = "kafka-password" } }

  # Resource groups in lowercase, as the portal often shows them.
  network = {
    subnet_id         = "/subscriptions/00000000-0000-0000-0000-000000000001/resourcegroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/functions"
    private_endpoints = { subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/endpoints" }
    public_access     = false
  }
  storage = {
    cool_after_days            = 30
    delete_after_days          = 400
    snapshot_delete_after_days = 400
    customer_key               = { key_vault_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-keys/providers/Microsoft.KeyVault/vaults/keys", key_name = "kafka-backup" }
  }
  immutability    = { days = 400 }
  management_lock = true
  alarms          = { emails = ["oncall@example.org"] }
}
