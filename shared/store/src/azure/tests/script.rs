//! A transport with scripted responses, which records its requests.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode, Transport};
use bytes::Bytes;
use kernel::{Deadline, Secret};

use crate::RetryPolicy;
use crate::azure::AzureBlobStore;
use crate::azure::connect::Login;
use crate::azure::connection_string::Access;
use crate::retry::Retry;

/// As many tries as usual, without pauses, and without patience with a server that throttles.
pub(super) fn at_once() -> Retry {
    let policy = RetryPolicy { first_pause: Duration::ZERO, patience: Duration::ZERO, ..RetryPolicy::default() };
    Retry::new(policy, &Deadline::unset())
}

/// One response.
#[derive(Clone)]
pub(super) enum Reply {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
    },
    /// The connection breaks.
    Lost,
    /// No server listens.
    NoConnection,
    /// Nothing happens, ever.
    Never,
}

/// A response with a body.
pub(super) fn ok(status: u16, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Reply {
    Reply::Answer { status, headers: headers.iter().map(|&(name, value)| (name, value.to_owned())).collect(), body: body.into() }
}

/// A refusal in Azure's format.
pub(super) fn refusal(status: u16, code: &str) -> Reply {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>Text\nRequestId:1</Message></Error>");
    ok(status, &[("x-ms-error-code", code), ("x-ms-request-id", "request-1")], body)
}

type Answer = dyn Fn(usize, &Request) -> Reply + Send + Sync;

pub(super) struct Script {
    answer: Box<Answer>,
    seen: Mutex<Vec<Request>>,
}

impl Script {
    /// `answer` gets the number of the request, from 0, and the request.
    pub(super) fn new(answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), seen: Mutex::default() })
    }

    /// Answers the replies in turn, and then repeats the last one.
    pub(super) fn replies(replies: Vec<Reply>) -> Arc<Self> {
        Self::new(move |at, _| replies[at.min(replies.len() - 1)].clone())
    }

    pub(super) fn store(self: &Arc<Self>, login: Login) -> AzureBlobStore {
        let transport = Transport::new(self.clone());
        AzureBlobStore::open("backups", "https://acme.blob.core.windows.net", login, at_once(), Some(transport)).unwrap()
    }

    pub(super) fn with_key(self: &Arc<Self>) -> AzureBlobStore {
        self.store(Login::Access(Access::Key { account: "acme".into(), key: Secret::new("a2V5") }))
    }

    /// The requests, as `METHOD URL`.
    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|request| format!("{} {}", request.method(), request.url())).collect()
    }

    /// The values of a header in the requests.
    pub(super) fn headers(&self, name: &'static str) -> Vec<String> {
        let name = HeaderName::from_static(name);
        self.seen.lock().unwrap().iter().filter_map(|request| request.headers().get_optional_string(&name)).collect()
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

#[async_trait]
impl HttpClient for Script {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let at = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let fail = |kind| {
            // Like the SDK's transport: the URL is in the cause.
            let cause = format!("error sending request for url ({})", request.url());
            Err(azure_core::Error::with_error(kind, std::io::Error::other(cause), "failed to execute request"))
        };
        match (self.answer)(at, request) {
            Reply::Answer { status, headers, body } => {
                let mut all = Headers::new();
                headers.into_iter().for_each(|(name, value)| all.insert(name, value));
                Ok(AsyncRawResponse::from_bytes(StatusCode::from(status), all, body))
            }
            Reply::Lost => fail(ErrorKind::Io),
            Reply::NoConnection => fail(ErrorKind::Connection),
            Reply::Never => std::future::pending().await,
        }
    }
}
