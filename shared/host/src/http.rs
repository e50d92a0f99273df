//! The part of HTTP/1.1 that a custom handler needs: a server for one client on the same machine,
//! on [`hyper`].
//!
//! Whole requests, whole JSON responses, several keep-alive connections, and a graceful stop.

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

/// Limit of a request's line and headers, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// Limit of a request's body, in bytes: a timer's payload has some hundred.
const MAX_BODY: usize = 1 << 20;

/// A whole request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// The path as sent, without the query.
    pub(super) path: String,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Request {
    /// A header by its case-insensitive name; `None` if it is not text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A response: status, headers in addition to those of every response, and a JSON body.
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

/// Answers requests until `stop` becomes true. Then it accepts no new ones, and completes those in
/// progress.
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
                // Out of file descriptors, or the client has disconnected: no reason to end the
                // server.
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Waits for `stop`; permanently if its sender is gone.
async fn stopped(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Serves one connection until either side closes it. Hyper refuses what is not HTTP (400, 431) and
/// closes.
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
    // A declared length is checked before the body arrives; a chunked body is counted.
    if body.size_hint().lower() > MAX_BODY as u64 {
        return refused(413, "the body is too large");
    }
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => {
            let path = head.uri.path().to_owned();
            handler(Request { method: head.method.to_string(), path, headers: head.headers, body: body.to_bytes() }).await
        }
        Err(error) if error.is::<LengthLimitError>() => refused(413, "the body is too large"),
        Err(error) => refused(400, &format!("cannot read the body: {error}")),
    }
}

fn response(answer: Answer) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::builder().status(answer.status).header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::from(answer.body)).unwrap_or_else(|error| {
        tracing::error!("cannot build the response: {error}");
        let mut response = hyper::Response::new(Full::default());
        *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
