//! The little of HTTP/1.1 that a custom handler speaks: a server for one client on the same machine.
//!
//! Whole requests in, whole JSON answers out, several connections, each kept alive, and a graceful stop. `httparse` reads what is on the wire.
//! Anything it does not know is refused and the connection closed.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes of a request's line and headers.
const MAX_HEAD: usize = 64 << 10;
/// Bytes of a request's body: a timer's payload has some hundred.
const MAX_BODY: usize = 1 << 20;
const MAX_HEADERS: usize = 100;

/// A whole request.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query as they were sent.
    pub(super) target: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Whether the client keeps the connection.
    keep_alive: bool,
}

impl Request {
    /// A header by its name in any case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
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

/// One connection until either side closes it.
async fn converse<H, A>(stream: TcpStream, handler: Arc<H>, stop: watch::Receiver<bool>)
where
    H: Fn(Request) -> A,
    A: Future<Output = Answer>,
{
    let mut connection = Connection { stream, unread: Vec::new() };
    loop {
        let request = tokio::select! {
            biased;
            request = connection.read() => request,
            () = stopped(stop.clone()) => return,
        };
        let (answer, keep_alive) = match request {
            Ok(Some(request)) => {
                let keep_alive = request.keep_alive;
                (handler(request).await, keep_alive)
            }
            Ok(None) | Err(Refusal::Gone) => return,
            Err(Refusal::Bad(status, what)) => (Answer::new(status, serde_json::json!({ "error": what }).to_string()), false),
        };
        let keep_alive = keep_alive && !*stop.borrow();
        if connection.write(&answer, keep_alive).await.is_err() || !keep_alive {
            return;
        }
    }
}

/// Why a request could not be read.
enum Refusal {
    /// The client is gone.
    Gone,
    /// Status, and what is wrong.
    Bad(u16, &'static str),
}

impl From<io::Error> for Refusal {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

struct Connection {
    stream: TcpStream,
    /// Bytes that arrived and were not looked at.
    unread: Vec<u8>,
}

impl Connection {
    /// The next request; `None` at the end of the connection.
    async fn read(&mut self) -> Result<Option<Request>, Refusal> {
        let mut request = loop {
            match parse_head(&self.unread)? {
                Some((request, head)) => {
                    self.unread.drain(..head);
                    break request;
                }
                None if self.unread.len() > MAX_HEAD => return Err(Refusal::Bad(431, "the headers are too large")),
                None if self.fill().await? == 0 => {
                    return if self.unread.is_empty() { Ok(None) } else { Err(Refusal::Gone) };
                }
                None => {}
            }
        };
        if request.header("expect").is_some_and(|expected| expected.eq_ignore_ascii_case("100-continue")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        request.body = match body_of(&request)? {
            Length::Known(length) => self.take(length).await?,
            Length::Chunked => self.chunks().await?,
        };
        Ok(Some(request))
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.unread).await
    }

    async fn take(&mut self, length: usize) -> Result<Vec<u8>, Refusal> {
        while self.unread.len() < length {
            if self.fill().await? == 0 {
                return Err(Refusal::Gone);
            }
        }
        let rest = self.unread.split_off(length);
        Ok(std::mem::replace(&mut self.unread, rest))
    }

    /// A chunked body; trailers are read and left out.
    async fn chunks(&mut self) -> Result<Vec<u8>, Refusal> {
        let mut body = Vec::new();
        loop {
            let size = loop {
                match httparse::parse_chunk_size(&self.unread) {
                    Ok(httparse::Status::Complete((line, size))) => {
                        self.unread.drain(..line);
                        break size;
                    }
                    Ok(httparse::Status::Partial) if self.unread.len() <= MAX_HEAD && self.fill().await? > 0 => {}
                    Ok(httparse::Status::Partial) => return Err(Refusal::Gone),
                    Err(_) => return Err(Refusal::Bad(400, "a chunk's size is not a number")),
                }
            };
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            let size = usize::try_from(size).ok().filter(|size| size.saturating_add(body.len()) <= MAX_BODY);
            body.extend(self.take(size.ok_or(TOO_LARGE)?).await?);
            if !self.line().await?.is_empty() {
                return Err(Refusal::Bad(400, "a chunk is longer than its size"));
            }
        }
    }

    /// A line without its end.
    async fn line(&mut self) -> Result<Vec<u8>, Refusal> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") {
                let line = self.take(end).await?;
                self.take(2).await?;
                return Ok(line);
            }
            if self.unread.len() > MAX_HEAD {
                return Err(Refusal::Bad(400, "a line is too long"));
            }
            if self.fill().await? == 0 {
                return Err(Refusal::Gone);
            }
        }
    }

    async fn write(&mut self, answer: &Answer, keep_alive: bool) -> io::Result<()> {
        let reason = match answer.status {
            200..=299 => "OK",
            400..=499 => "Refused",
            _ => "Failed",
        };
        let mut text = format!("HTTP/1.1 {} {reason}\r\n", answer.status);
        let own = [("content-type", "application/json".to_owned()), ("content-length", answer.body.len().to_string())];
        let close = (!keep_alive).then(|| ("connection", "close".to_owned()));
        for (name, value) in own.iter().chain(&answer.headers).chain(&close) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(&answer.body);
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }
}

const TOO_LARGE: Refusal = Refusal::Bad(413, "the body is too large");

/// A request without its body, and the bytes it took; `None` when there is more to come.
fn parse_head(bytes: &[u8]) -> Result<Option<(Request, usize)>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let head = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Refusal::Bad(400, "this is not HTTP/1.1")),
    };
    let text = |header: &httparse::Header<'_>| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned());
    let mut request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        target: parsed.path.unwrap_or_default().to_owned(),
        headers: parsed.headers.iter().map(text).collect(),
        body: Vec::new(),
        keep_alive: parsed.version == Some(1),
    };
    request.keep_alive &= request.header("connection").is_none_or(|connection| !connection.eq_ignore_ascii_case("close"));
    Ok(Some((request, head)))
}

/// How long a body is.
enum Length {
    Known(usize),
    Chunked,
}

fn body_of(request: &Request) -> Result<Length, Refusal> {
    match (request.header("transfer-encoding"), request.header("content-length")) {
        (None, None) => Ok(Length::Known(0)),
        (Some(encoding), None) if encoding.eq_ignore_ascii_case("chunked") => Ok(Length::Chunked),
        (None, Some(length)) => match length.trim().parse() {
            Ok(length) if length <= MAX_BODY => Ok(Length::Known(length)),
            Ok(_) => Err(TOO_LARGE),
            Err(_) => Err(Refusal::Bad(400, "content-length is not a number")),
        },
        _ => Err(Refusal::Bad(400, "the length of the body is not clear")),
    }
}
