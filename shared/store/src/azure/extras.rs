//! What requests need and the SDK has no option for.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::base64;
use azure_core::http::headers::HeaderName;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{ClientMethodOptions, Context, Request, UrlExt};

/// One addition to a request. The SDK's context carries it to the policy.
#[derive(Debug, Clone, Copy)]
pub(super) enum Extra {
    /// CRC-64 of the body: Azure refuses the request if it receives different bytes. (The SDK
    /// supports this for blocks, not for whole blobs.)
    Crc64(u64),
    /// Lists one level: names that contain this after the prefix are rolled up into folders.
    Delimiter(&'static str),
}

impl Extra {
    pub(super) fn context(self) -> Context<'static> {
        Context::new().with_value(self)
    }

    pub(super) fn options(self) -> ClientMethodOptions<'static> {
        ClientMethodOptions { context: self.context() }
    }
}

/// Adds an [`Extra`] to the requests that have one. Must run before the policy that signs them.
#[derive(Debug)]
pub(super) struct ExtrasPolicy;

#[async_trait]
impl Policy for ExtrasPolicy {
    #[allow(elided_lifetimes_in_paths, reason = "async_trait needs the signature as the trait has it")]
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        match ctx.value() {
            Some(Extra::Crc64(crc64)) => {
                request.insert_header(HeaderName::from_static("x-ms-content-crc64"), base64::encode(crc64.to_le_bytes()));
            }
            Some(Extra::Delimiter(delimiter)) => {
                let mut query = request.url_mut().query_builder();
                query.set_pair("delimiter", *delimiter);
                query.build();
            }
            None => {}
        }
        next[0].send(ctx, request, &next[1..]).await
    }
}
