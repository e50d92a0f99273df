# Backs up the topics of a cluster on the internet, and restores if `restore` is set.

resource "azurerm_resource_group" "this" {
  name     = "rg-${var.name}"
  location = var.location
}

module "kafka_backup" {
  source = "../../modules/azure"

  name                = var.name
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location

  kafka   = var.kafka
  topics  = var.topics
  restore = var.restore

  exclude_topics = var.exclude_topics

  alarms          = { emails = var.emails }
  management_lock = var.management_lock
}
