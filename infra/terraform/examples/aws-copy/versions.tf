terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }

  # Without a backend the state is a file in this folder. A team keeps it in a bucket:
  # backend "s3" {
  #   bucket       = "…"
  #   key          = "kafka-backup.tfstate"
  #   region       = "…"
  #   encrypt      = true
  #   use_lockfile = true
  # }
}
