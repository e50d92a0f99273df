# Bucket and key are in a separate module. No change here destroys them or revokes the right to read stored objects.

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

  # Key of logs, alarms and schedules, and of the objects unless the bucket has its own key.
  key_arn        = var.kms_key == null ? module.storage.kms_key_arn : var.kms_key.arn
  bucket_key_arn = var.bucket.kms_key_arn == null ? local.key_arn : var.bucket.kms_key_arn

  # Objects stay encrypted with the key that was current at their upload. So the roles can decrypt objects of this bucket with every known key and
  # with all keys of this account. Otherwise a key that is missing in old_kms_key_arns would make them unreadable.
  readable_key_arns = distinct(concat(
    [local.bucket_key_arn, local.key_arn], var.make_kms_key ? [module.storage.kms_key_arn] : [], var.old_kms_key_arns,
    ["arn:${local.partition}:kms:${local.region}:${local.account}:key/*"],
  ))

  readable_classes = ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"]
}
