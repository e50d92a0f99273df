//! What a custom handler needs of HTTP/1.1: a server for one client on the same machine, by [`hyper`].
//!
//! Whole requests in, whole JSON answers out, several connections, each kept alive, and a graceful stop.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes of a request's line and headers.
const MAX_HEAD: usize = 64 << 10;
/// Bytes of a request's body: a timer's payload has some hundred.
const MAX_BODY: usize = 1 << 20;

/// A whole request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// The path as it was sent, without a query.
    pub(super) path: String,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Request {
    /// A header by its name in any case; none when it is not text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An answer: status, headers beside those of every answer, and a body of JSON.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }
}

/// Answers requests until `stop` becomes true: then no new ones are taken, and those begun are answered.
pub(super) async fn serve<H, A>(listener: TcpListener, handler: H, stop: watch::Receiver<bool>)
where
    H: Fn(Request) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let handler = Arc::new(handler);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(stop.clone()) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => _ = connections.spawn(converse(stream, handler.clone(), stop.clone())),
                // Out of file descriptors, or a client that left already: nothing that ends a server.
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Waits for `stop`; for ever when nobody can ask for it any more.
async fn stopped(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// One connection until either side closes it. What is not HTTP, hyper refuses (400, 431) and closes.
async fn converse<H, A>(stream: TcpStream, handler: Arc<H>, stop: watch::Receiver<bool>)
where
    H: Fn(Request) -> A,
    A: Future<Output = Answer>,
{
    let service = service_fn(|request| async { Ok::<_, Infallible>(response(respond(request, &*handler).await)) });
    let mut connection = pin!(http1::Builder::new().max_buf_size(MAX_HEAD).serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended early: {error}");
    }
}

async fn respond<A: Future<Output = Answer>>(request: hyper::Request<Incoming>, handler: impl Fn(Request) -> A) -> Answer {
    let (head, body) = request.into_parts();
    let refused = |status, what: &str| Answer::new(status, serde_json::json!({ "error": what }).to_string());
    // A length that is told is believed before the body is there; one in chunks is counted.
    if body.size_hint().lower() > MAX_BODY as u64 {
        return refused(413, "the body is too large");
    }
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => {
            let path = head.uri.path().to_owned();
            handler(Request { method: head.method.to_string(), path, headers: head.headers, body: body.to_bytes() }).await
        }
        Err(error) if error.is::<LengthLimitError>() => refused(413, "the body is too large"),
        Err(error) => refused(400, &format!("the body could not be read: {error}")),
    }
}

fn response(answer: Answer) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::builder().status(answer.status).header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::from(answer.body)).unwrap_or_else(|error| {
        tracing::error!("an answer could not be made: {error}");
        let mut response = hyper::Response::new(Full::default());
        *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
