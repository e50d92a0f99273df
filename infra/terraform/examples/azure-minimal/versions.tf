terraform {
  required_version = ">= 1.9, < 2.0"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.0"
    }
    azapi = {
      source  = "Azure/azapi"
      version = "~> 2.0"
    }
  }
}

# Both log in as `az login` did, or with the ARM_* variables. ARM_SUBSCRIPTION_ID must be set.
provider "azurerm" {
  features {}
  storage_use_azuread = true
}

provider "azapi" {}
