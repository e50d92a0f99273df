//! Listing, in one request where Azure supports it.

use azure_core::http::pager::PagerOptions;
use azure_core::http::{Context, Response, XmlFormat};
use azure_core::xml;
use azure_storage_blob::models::{BlobContainerClientListBlobsOptions, BlobName, ListBlobsResponse};
use futures::TryStreamExt;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::AzureBlobStore;
use super::extras::Extra;
use crate::{Listed, Page, Result, StoreError, StoreErrorKind, names};

/// The most entries in one response of Azure.
const FULL_PAGE: usize = 5000;

type Options = BlobContainerClientListBlobsOptions<'static>;

impl AzureBlobStore {
    /// Azure can start a listing at a name (`startFrom`, since API version 2026-02-06), inclusive.
    /// It may return fewer entries than exist, even none, and a marker to continue.
    pub(super) async fn page(&self, prefix: &str, after: &str, limit: usize) -> Result<Page> {
        let Some(after) = names::start_within(prefix, after) else { return Ok(Page::default()) };
        let mut objects = Vec::new();
        // One entry more shows whether there are more, and `after` itself comes first.
        let mut lines = limit + 1 + usize::from(!after.is_empty());
        let mut marker = None;
        loop {
            let maxresults = Some(lines as i32);
            let options = Options { prefix: some(prefix), start_from: some(after), maxresults, marker, ..Default::default() };
            let answer = self.answer(prefix, &Context::new(), &options).await?;
            let answer = self.site.answer(prefix, answer.into_model())?;
            for blob in answer.blob_items {
                let name = blob.name.unwrap_or_default();
                if name.as_str() < after {
                    // This server does not support `startFrom` (Azurite before 3.37): skip earlier
                    // names here.
                    lines = FULL_PAGE;
                } else if name != after {
                    let size = blob.properties.and_then(|properties| properties.content_length);
                    objects.push(Listed { size: size.ok_or_else(|| self.incomplete(&name))?, name });
                }
            }
            marker = answer.next_marker.filter(|marker| !marker.is_empty());
            if objects.len() > limit || marker.is_none() {
                let more = objects.len() > limit;
                objects.truncate(limit);
                return Ok(Page { objects, more });
            }
        }
    }

    /// The folders under `prefix`: names that Azure rolls up at the next slash.
    pub(super) async fn folders_under(&self, prefix: &str) -> Result<Vec<String>> {
        let mut folders = Vec::new();
        let mut marker = None;
        loop {
            let options = Options { prefix: some(prefix), marker, ..Default::default() };
            let answer = self.answer(prefix, &Extra::Delimiter("/").context(), &options).await?;
            let answer: Level = self.site.answer(prefix, xml::from_xml(answer.body()))?;
            let names = answer.blobs.entries.into_iter().filter_map(|entry| match entry {
                Entry::BlobPrefix { name } => name.content,
                Entry::Blob(_) => None,
            });
            folders.extend(names.filter_map(|name| Some(name.strip_prefix(prefix)?.strip_suffix('/')?.to_owned())));
            marker = answer.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                folders.sort();
                folders.dedup();
                return Ok(folders);
            }
        }
    }

    /// One page, retried as needed.
    async fn answer(&self, prefix: &str, context: &Context<'static>, options: &Options) -> Result<Response<ListBlobsResponse, XmlFormat>> {
        let once = |_| async move {
            let method_options = PagerOptions { context: context.clone(), ..Default::default() };
            // The SDK sends nothing before the first page is requested, so a pager alone is no
            // response.
            let page = match self.container.list_blobs(Some(Options { method_options, ..options.clone() })) {
                Ok(pages) => pages.into_pages().try_next().await,
                Err(error) => Err(error),
            };
            self.site.answer(prefix, page)?.ok_or_else(|| self.incomplete(prefix))
        };
        self.retry.run(&self.site.location(prefix), 0, once).await
    }

    fn incomplete(&self, name: &str) -> StoreError {
        StoreError::new(StoreErrorKind::Other, self.site.location(name), "the listing from Azure is incomplete")
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// A listing with a delimiter. The SDK has no type for it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Level {
    blobs: Entries,
    next_marker: Option<String>,
}

#[derive(Deserialize)]
struct Entries {
    #[serde(rename = "$value", default)]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
enum Entry {
    Blob(#[allow(dead_code, reason = "only its being there counts")] IgnoredAny),
    BlobPrefix {
        #[serde(rename = "Name")]
        name: BlobName,
    },
}
