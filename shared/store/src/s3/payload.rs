use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::Body;

/// A body as a request's payload, chunk by chunk, without copying.
pub(super) fn stream(body: &Body) -> ByteStream {
    let body = body.clone();
    ByteStream::new(SdkBody::retryable(move || {
        let (chunks, remaining) = (body.chunks().to_vec().into_iter(), body.len() as u64);
        if remaining == 0 { SdkBody::empty() } else { SdkBody::from_body_1_x(Pieces { chunks, remaining }) }
    }))
}

/// CRC32C of a body in S3's encoding: base64 of four big-endian bytes.
pub(super) fn crc32c(body: &Body) -> String {
    let sum = body.chunks().iter().fold(0, |sum, chunk| crc32c::crc32c_append(sum, chunk));
    aws_smithy_types::base64::encode(sum.to_be_bytes())
}

struct Pieces {
    chunks: vec::IntoIter<Bytes>,
    remaining: u64,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.chunks.next();
        self.remaining -= next.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Poll::Ready(next.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
