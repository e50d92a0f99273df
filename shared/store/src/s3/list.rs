use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder;
use aws_sdk_s3::types::Object;

use super::S3BucketStore;
use crate::{Listed, Page, Result, StoreErrorKind, names};

/// The most names on a page of S3.
const LARGEST_PAGE: i32 = 1000;

/// Whether `after` is in a folder below the one that `prefix` lists.
///
/// MinIO (as of release 2026-02) loses names in this case. Looking for names after `a/1`, it counts
/// `a-1`, `a.b` and all others that sort between `a` and `a/` towards the page's limit, then drops
/// them, and ends the listing early.
pub(super) fn leads_into_a_folder(prefix: &str, after: &str) -> bool {
    let folder = prefix.rfind('/').map_or(0, |slash| slash + 1);
    after.get(folder..).is_some_and(|below| below.contains('/'))
}

impl S3BucketStore {
    /// A page of a listing, in one request.
    pub(super) async fn list_after(&self, prefix: &str, after: &str, limit: usize) -> Result<Page> {
        let mut after = after.to_owned();
        loop {
            let start = (!after.is_empty()).then(|| after.clone());
            let page = self.request_page(prefix, |request| request.max_keys(limit as i32).set_start_after(start.clone())).await?;
            let more = page.is_truncated().unwrap_or(false);
            let objects: Vec<Listed> = page.contents().iter().filter_map(listed).collect();
            match page.contents().last().and_then(Object::key) {
                // Only folder markers, as consoles create them: continue after them.
                Some(last) if objects.is_empty() && more => after = last.to_owned(),
                _ => return Ok(Page { objects, more }),
            }
        }
    }

    /// The same page without `start-after`, by reading the listing from its start.
    pub(super) async fn list_from_the_start(&self, prefix: &str, after: &str, limit: usize) -> Result<Page> {
        let mut objects = Vec::new();
        let mut token = None;
        loop {
            let page = self.request_page(prefix, |request| request.max_keys(LARGEST_PAGE).set_continuation_token(token.clone())).await?;
            objects.extend(page.contents().iter().filter_map(listed).filter(|object| object.name.as_str() > after));
            let more = objects.len() > limit;
            objects.truncate(limit);
            token = page.next_continuation_token;
            if more || token.is_none() {
                return Ok(Page { objects, more });
            }
        }
    }

    pub(super) async fn all_folders(&self, prefix: &str) -> Result<Vec<String>> {
        let mut folders = Vec::new();
        let mut token = None;
        loop {
            let page = self.request_page(prefix, |request| request.delimiter("/").set_continuation_token(token.clone())).await?;
            let under = page.common_prefixes().iter().filter_map(|folder| folder.prefix()?.strip_prefix(prefix)?.strip_suffix('/'));
            folders.extend(under.map(str::to_owned));
            token = page.next_continuation_token;
            if token.is_none() {
                folders.sort_unstable();
                return Ok(folders);
            }
        }
    }

    async fn request_page(
        &self,
        prefix: &str,
        options: impl Fn(ListObjectsV2FluentBuilder) -> ListObjectsV2FluentBuilder,
    ) -> Result<ListObjectsV2Output> {
        let asked = self.asked("s3:ListBucket", prefix, StoreErrorKind::Other);
        let request = options(self.client.list_objects_v2().bucket(&self.site.bucket).prefix(prefix));
        let list = |_| async { self.site.answer(&asked, request.clone().send().await) };
        self.retry.run(&asked.location, 0, list).await
    }
}

/// An entry of a listing; `None` for what cannot be our object, such as folder markers of consoles
/// (`orders/`).
fn listed(object: &Object) -> Option<Listed> {
    let name = object.key().filter(|key| names::check(key, String::new).is_ok())?;
    Some(Listed { name: name.to_owned(), size: object.size().unwrap_or(0) as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_of_a_partition_is_listed_in_one_request() {
        assert!(!leads_into_a_folder("orders/0/", "orders/0/00000000000000000000.tar.gz"));
        assert!(!leads_into_a_folder("orders/0/0000", "orders/0/00000000000000000000.tar.gz"));
        assert!(!leads_into_a_folder("", "orders"));
        assert!(leads_into_a_folder("orders/", "orders/0/00000000000000000000.tar.gz"));
        assert!(leads_into_a_folder("ord", "orders/topic.json"));
    }
}
