//! A server on this machine with scripted responses: an S3 with faults.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// `PUT /bucket/name?query`
    pub line: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// As received.
    pub body: Vec<u8>,
}

impl Request {
    /// A header by its name in lower case; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// A response that promises this many bytes, and ends after the body.
    CutOff(u64, String),
    /// The connection is closed without a response.
    Close,
    /// Never a response.
    Hang,
}

impl Reply {
    /// Done; the object has this ETag.
    pub fn ok(etag: &str) -> Self {
        Self::Answer(200, vec![("etag", format!("\"{etag}\""))], String::new())
    }

    /// An error document of S3.
    pub fn error(status: u16, code: &str) -> Self {
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>scripted</Message></Error>");
        Self::Answer(status, vec![("content-type", "application/xml".into())], body)
    }

    /// A document.
    pub fn xml(body: &str) -> Self {
        Self::Answer(200, vec![("content-type", "application/xml".into())], format!("<?xml version=\"1.0\"?>{body}"))
    }
}

/// A server with a script. It ends with the test.
#[derive(Debug)]
pub struct Server {
    /// `http://127.0.0.1:port`
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `script` gets each request and all those before it.
    pub async fn start(script: impl Fn(&Request, &[Request]) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (seen, script) = (requests.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, script) = (seen.clone(), script.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Some(request) = read(&mut stream).await {
                        let reply = {
                            let mut seen = seen.lock().unwrap();
                            let reply = script(&request, &seen);
                            seen.push(request);
                            reply
                        };
                        if !send(stream.get_mut(), reply).await {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, requests }
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The method and, if it distinguishes requests, the query of each request.
    pub fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    if headers.contains_key("expect") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
    }
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    Some(Request { line, headers, body })
}

/// Whether the connection continues.
async fn send(stream: &mut TcpStream, reply: Reply) -> bool {
    let (status, mut headers, length, body, goes_on) = match reply {
        Reply::Answer(status, headers, body) => (status, headers, body.len() as u64, body, true),
        Reply::CutOff(length, body) => {
            let last = length - 1;
            let headers = vec![("etag", "\"cut\"".to_owned()), ("content-range", format!("bytes 0-{last}/{length}"))];
            (206, headers, length, body, false)
        }
        Reply::Close => return false,
        Reply::Hang => std::future::pending().await,
    };
    headers.push(("content-length", length.to_string()));
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let answer = format!("HTTP/1.1 {status} scripted\r\n{headers}\r\n{body}");
    stream.write_all(answer.as_bytes()).await.is_ok() && goes_on
}
