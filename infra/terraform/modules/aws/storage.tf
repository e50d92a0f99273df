# The bucket and the key are in a module of their own: nothing that changes here may destroy them or end the right to read what is stored.

module "storage" {
  source = "./modules/storage"

  name = var.name
  tags = local.tags

  bucket_name            = var.bucket.name
  make_bucket            = var.bucket.create
  prefix                 = var.bucket.prefix
  topics                 = local.topic_names
  object_kms_key_arn     = var.bucket.kms_key_arn != null ? var.bucket.kms_key_arn : try(var.kms_key.arn, null)
  lock_mode              = var.bucket.lock_mode
  lock_days              = var.bucket.lock_days
  transition_days        = var.bucket.transition_days
  transition_class       = var.bucket.transition_class
  expire_days            = var.bucket.expire_days
  snapshot_expire_days   = var.bucket.snapshot_expire_days
  noncurrent_expire_days = var.bucket.noncurrent_expire_days
  access_log_bucket      = try(var.bucket.access_log.bucket, null)

  make_key              = var.make_kms_key
  break_glass_role_arns = var.break_glass_role_arns
  log_group_arns        = [for role in local.roles : local.log_group_arns[role]]
}

locals {
  bucket_name = module.storage.bucket_name
  bucket_arn  = module.storage.bucket_arn
  prefix      = var.bucket.prefix == "" ? "" : "${var.bucket.prefix}/"

  # Of logs, alarms and schedules, and of the objects unless the bucket has its own.
  key_arn        = var.kms_key == null ? module.storage.kms_key_arn : var.kms_key.arn
  bucket_key_arn = var.bucket.kms_key_arn == null ? local.key_arn : var.bucket.kms_key_arn

  # Objects stay encrypted with the key of their time. So the roles may read with every key that this deployment knows of, and with any key of
  # this account that an object of this bucket is encrypted with: a key that is forgotten in old_kms_key_arns would otherwise make it unreadable.
  readable_key_arns = distinct(concat(
    [local.bucket_key_arn, local.key_arn], var.make_kms_key ? [module.storage.kms_key_arn] : [], var.old_kms_key_arns,
    ["arn:${local.partition}:kms:${local.region}:${local.account}:key/*"],
  ))

  readable_classes = ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"]
}
