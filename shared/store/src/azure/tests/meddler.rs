//! The SDK's own transport with faults, and a count.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, HttpClientOptions, Request, Transport, new_http_client};
use bytes::Bytes;
use futures::stream;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// It takes effect, and its response is lost.
    LoseAnswer,
    /// The response's body ends in the middle.
    BreakAnswer,
    /// One bit of the request's body flips.
    Damage,
}

#[derive(Debug)]
pub(super) struct Meddler {
    transport: Arc<dyn HttpClient>,
    faults: Mutex<VecDeque<Fault>>,
    requests: AtomicUsize,
}

impl Meddler {
    /// With faults for the first requests, one for each.
    pub(super) fn new(faults: &[Fault]) -> Arc<Self> {
        let transport = new_http_client(Some(HttpClientOptions { automatic_decompression: false }));
        Arc::new(Self { transport, faults: Mutex::new(faults.iter().copied().collect()), requests: AtomicUsize::new(0) })
    }

    pub(super) fn transport(self: &Arc<Self>) -> Transport {
        Transport::new(self.clone())
    }

    /// Faults for the next requests.
    pub(super) fn plan(&self, faults: &[Fault]) {
        *self.faults.lock().unwrap() = faults.iter().copied().collect();
    }

    /// Requests since the last call of this.
    pub(super) fn requests(&self) -> usize {
        self.requests.swap(0, Ordering::Relaxed)
    }
}

#[async_trait]
impl HttpClient for Meddler {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let fault = self.faults.lock().unwrap().pop_front().unwrap_or(Fault::None);
        let lost = || azure_core::Error::with_message(ErrorKind::Io, "lost");
        match fault {
            Fault::None => self.transport.execute_request(request).await,
            Fault::LoseAnswer => {
                let answer = self.transport.execute_request(request).await?;
                assert!(answer.status().is_success(), "{}", answer.status());
                Err(lost())
            }
            Fault::BreakAnswer => {
                let answer = self.transport.execute_request(request).await?.try_into_raw_response().await?;
                let (status, headers, body) = answer.deconstruct();
                let body = Bytes::from(body);
                let half = stream::iter([Ok(body.slice(..body.len() / 2)), Err(lost())]);
                Ok(AsyncRawResponse::new(status, headers, Box::pin(half)))
            }
            Fault::Damage => {
                let Body::Bytes(body) = request.body() else { panic!("only bodies of one piece are damaged here") };
                let mut damaged = body.to_vec();
                damaged[0] ^= 1;
                let mut request = request.clone();
                request.set_body(damaged);
                self.transport.execute_request(&request).await
            }
        }
    }
}
