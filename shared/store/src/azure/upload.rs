//! Writes blobs: in one request, or in blocks if that would be too large.

use std::collections::HashMap;
use std::num::NonZero;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use azure_core::http::{Body as RequestBody, NoFormat, RequestContent};
use azure_core::stream::SeekableStream;
use azure_storage_blob::models::{
    BlobClientGetPropertiesResultHeaders, BlockBlobClientCommitBlockListOptions, BlockBlobClientCommitBlockListResultHeaders,
    BlockBlobClientStageBlockOptions, BlockBlobClientUploadOptions, BlockLookupList,
};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use futures::io::AsyncRead;
use futures::{StreamExt, TryStreamExt, stream};

use super::AzureBlobStore;
use super::extras::Extra;
use super::failure::SAS_LACKS;
use crate::{Body, Result, StoreError, StoreErrorKind, Version};

/// The largest body of one request. The SDK's transport times out after 60 seconds, including the
/// sending.
const ONE_REQUEST: usize = 16 << 20;
/// Size of a block. Azure allows 50,000 of them.
const BLOCK: usize = 8 << 20;
/// Blocks uploaded in parallel.
const BLOCKS_AT_ONCE: usize = 4;
/// The metadata key of a number that is unique to a write. It identifies a write whose response was
/// lost.
const WRITE_ID: &str = "write_id";

/// The condition of a write on the name.
#[derive(Clone, Copy)]
pub(super) enum Condition<'a> {
    Absent,
    Still(&'a Version),
}

impl Condition<'_> {
    /// What a failed condition means, given Azure's error.
    fn refusal(self, error: StoreError) -> StoreError {
        use StoreErrorKind::{AlreadyExists, Changed, Denied, NotFound};
        match (self, error.kind) {
            (Self::Absent, AlreadyExists | Changed) => StoreError { kind: AlreadyExists, ..error },
            (Self::Still(_), Changed | NotFound) => StoreError { kind: Changed, ..error },
            // A signature that allows creating, but not overwriting.
            (Self::Still(_), AlreadyExists) => StoreError { kind: Denied, what: format!("{SAS_LACKS} ({})", error.what), ..error },
            _ => error,
        }
    }
}

impl AzureBlobStore {
    pub(super) async fn write(&self, name: &str, body: &Body, condition: Condition<'_>) -> Result<Version> {
        if body.len() > ONE_REQUEST && matches!(condition, Condition::Absent) {
            return self.create_from_blocks(name, body).await;
        }
        let id = new_write_id();
        let checksum = Extra::Crc64(crc64(body));
        self.settled(name, body.len(), condition, &id, || self.put(name, body, checksum, condition, &id)).await
    }

    /// Sends the request that `write` starts, with retries. If a retry finds the name taken or
    /// changed, the first try may have succeeded and its response was lost: the write id decides.
    async fn settled<F>(&self, name: &str, bytes: usize, condition: Condition<'_>, id: &str, write: impl Fn() -> F) -> Result<Version>
    where
        F: Future<Output = Result<Version>>,
    {
        let write = &write;
        let once = |number: u32| async move {
            match write().await.map_err(|error| condition.refusal(error)) {
                Err(refused) if number > 1 && matches!(refused.kind, StoreErrorKind::AlreadyExists | StoreErrorKind::Changed) => {
                    self.written_as(name, id).await?.ok_or(refused)
                }
                done => done,
            }
        };
        self.retry.run(&self.site.location(name), bytes as u64, once).await
    }

    async fn put(&self, name: &str, body: &Body, checksum: Extra, condition: Condition<'_>, id: &str) -> Result<Version> {
        let mut options = BlockBlobClientUploadOptions {
            method_options: checksum.options(),
            // One request, whatever the size.
            partition_size: Some(NonZero::<u64>::MAX),
            metadata: metadata(id),
            ..Default::default()
        };
        match condition {
            Condition::Absent => options.if_none_match = Some("*".into()),
            Condition::Still(version) => options.if_match = Some(version.0.clone().into()),
        }
        let done =
            self.site.answer(name, self.container.blob_client(name).block_blob_client().upload(content(body), Some(options)).await)?;
        self.site.version(name, done.etag)
    }

    /// The object's version if the write `id` created it; `None` if another did, or it is gone.
    async fn written_as(&self, name: &str, id: &str) -> Result<Option<Version>> {
        match self.site.answer(name, self.container.blob_client(name).get_properties(None).await) {
            Ok(found) if found.metadata().ok().and_then(|metadata| metadata.get(WRITE_ID).cloned()).as_deref() == Some(id) => {
                self.site.version(name, found.etag().ok().flatten()).map(Some)
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind == StoreErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a blob from blocks. The blob appears when they are committed, all or nothing. Azure
    /// removes uncommitted blocks after a week, and those of all other writers when one commits.
    async fn create_from_blocks(&self, name: &str, body: &Body) -> Result<Version> {
        let id = new_write_id();
        let (ids, ranges): (Vec<Vec<u8>>, Vec<Range<usize>>) =
            (0..body.len()).step_by(BLOCK).map(|start| (format!("{id}{start:016x}").into_bytes(), start..start + BLOCK)).unzip();
        let staged = ids.iter().zip(ranges).map(|(block, range)| self.stage(name, block.clone(), body.slice(range)));
        stream::iter(staged.collect::<Vec<_>>()).buffer_unordered(BLOCKS_AT_ONCE).try_collect::<()>().await?;
        self.settled(name, 0, Condition::Absent, &id, || self.commit(name, &ids, &id)).await
    }

    pub(super) async fn stage(&self, name: &str, id: Vec<u8>, block: Body) -> Result<()> {
        let (blob, id, block) = (&self.container.blob_client(name).block_blob_client(), &id, &block);
        let checksum = crc64(block).to_le_bytes();
        let once = |_| async move {
            let options = BlockBlobClientStageBlockOptions { transactional_content_crc64: Some(checksum.to_vec()), ..Default::default() };
            self.site.answer(name, blob.stage_block(id, block.len() as u64, content(block), Some(options)).await).map(drop)
        };
        self.retry.run(&self.site.location(name), block.len() as u64, once).await
    }

    async fn commit(&self, name: &str, blocks: &[Vec<u8>], id: &str) -> Result<Version> {
        let list = BlockLookupList { uncommitted: Some(blocks.to_vec()), ..Default::default() };
        let list = self.site.answer(name, list.try_into())?;
        let options =
            BlockBlobClientCommitBlockListOptions { if_none_match: Some("*".into()), metadata: metadata(id), ..Default::default() };
        let done =
            self.site.answer(name, self.container.blob_client(name).block_blob_client().commit_block_list(list, Some(options)).await)?;
        self.site.version(name, done.etag().ok().flatten())
    }
}

fn new_write_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn metadata(id: &str) -> Option<HashMap<String, String>> {
    Some(HashMap::from([(WRITE_ID.to_owned(), id.to_owned())]))
}

/// The checksum in `x-ms-content-crc64`: polynomial 0x9A6C9329AC4BC9B5 reflected, also known as
/// CRC-64/NVME.
fn crc64(body: &Body) -> u64 {
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    body.chunks().iter().for_each(|chunk| digest.update(chunk));
    digest.finalize()
}

fn content(body: &Body) -> RequestContent<Bytes, NoFormat> {
    match body.chunks() {
        [] => RequestBody::from(Bytes::new()).into(),
        [only] => RequestBody::from(only.clone()).into(),
        _ => RequestBody::SeekableStream(Box::new(Chunks { body: body.clone(), chunk: 0, offset: 0 })).into(),
    }
}

/// A body as the SDK reads it, piece by piece.
#[derive(Debug, Clone)]
struct Chunks {
    body: Body,
    chunk: usize,
    offset: usize,
}

impl AsyncRead for Chunks {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<std::io::Result<usize>> {
        let this = &mut *self;
        let mut filled = 0;
        while let Some(chunk) = this.body.chunks().get(this.chunk).filter(|_| filled < buffer.len()) {
            let rest = &chunk[this.offset..];
            let take = rest.len().min(buffer.len() - filled);
            buffer[filled..filled + take].copy_from_slice(&rest[..take]);
            filled += take;
            this.offset += take;
            if take == rest.len() {
                (this.chunk, this.offset) = (this.chunk + 1, 0);
            }
        }
        Poll::Ready(Ok(filled))
    }
}

#[async_trait]
impl SeekableStream for Chunks {
    async fn reset(&mut self) -> azure_core::Result<()> {
        (self.chunk, self.offset) = (0, 0);
        Ok(())
    }

    fn len(&self) -> Option<u64> {
        Some(self.body.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures::AsyncReadExt;

    use super::*;

    fn body(pieces: &[&'static str]) -> Body {
        pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect()
    }

    /// The check value of CRC-64/NVME in the catalogue of CRC algorithms.
    #[test]
    fn the_checksum_is_over_all_pieces() {
        assert_eq!(crc64(&body(&["123456789"])), 0xae8b_1486_0a79_9888);
        assert_eq!(crc64(&body(&["12", "345678", "9"])), 0xae8b_1486_0a79_9888);
    }

    #[tokio::test]
    async fn a_body_is_read_in_steps_of_any_size_and_again() {
        for step in 1..=9 {
            let mut chunks = Chunks { body: body(&["abc", "d", "efgh"]), chunk: 0, offset: 0 };
            for _ in 0..2 {
                let mut read = Vec::new();
                let mut buffer = vec![0; step];
                loop {
                    let len = chunks.read(&mut buffer).await.unwrap();
                    read.extend_from_slice(&buffer[..len]);
                    if len == 0 {
                        break;
                    }
                }
                assert_eq!(read, b"abcdefgh", "in steps of {step}");
                chunks.reset().await.unwrap();
            }
        }
    }
}
