//! A proxy between the program and its store. It makes requests fail in every way in which a
//! network and a store can.
//!
//! It knows only enough HTTP/1.1 to separate one request from the next. It forwards the `Host`
//! header unchanged, because the header is signed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

const DELAY: Duration = Duration::from_millis(400);

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Nothing happens to it.
    Passed,
    /// Its answer comes late.
    Delayed,
    /// The store never sees more than half of it, and the client no answer.
    CutRequest,
    /// The client gets half of the answer.
    CutAnswer,
    /// It never reaches the store: the answer is that it is busy.
    Busy,
    /// The store has done it, and the client gets no answer.
    LostAnswer,
}

impl Fate {
    /// Every way to fail.
    pub const FAULTS: [Self; 5] = [Self::Delayed, Self::CutRequest, Self::CutAnswer, Self::Busy, Self::LostAnswer];
}

/// How the store says that it is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `SlowDown`.
    S3,
    /// `ServerBusy`.
    Azure,
}

impl Dialect {
    fn busy(self, is_head: bool) -> Vec<u8> {
        let (code, header) = match self {
            Self::S3 => ("SlowDown", ""),
            Self::Azure => ("ServerBusy", "x-ms-error-code: ServerBusy\r\n"),
        };
        let body = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>Later.</Message></Error>");
        let head = format!("HTTP/1.1 503 {code}\r\nContent-Type: application/xml\r\n{header}Content-Length: {}\r\n\r\n", body.len());
        (if is_head { head } else { head + &body }).into_bytes()
    }
}

/// Cards in a random order, dealt repeatedly: each fault once, and four requests without a fault.
/// So among any [`Deck::FAIR`] requests or more, each fault hits at least one in ten.
#[derive(Debug)]
struct Deck {
    random: StdRng,
    cards: Vec<Fate>,
}

impl Deck {
    const FAIR: usize = 72;

    fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), cards: Vec::new() }
    }

    fn deal(&mut self) -> Fate {
        if self.cards.is_empty() {
            self.cards = Fate::FAULTS.into_iter().chain([Fate::Passed; 4]).collect();
        }
        let at = self.random.random_range(0..self.cards.len());
        self.cards.swap_remove(at)
    }
}

/// How many requests met which fate: those that write, and those that read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// PUT, POST, DELETE and so on.
    pub writes: BTreeMap<Fate, usize>,
    /// GET and HEAD.
    pub reads: BTreeMap<Fate, usize>,
}

impl Tally {
    /// How many requests there were.
    pub fn requests(&self) -> usize {
        self.writes.values().chain(self.reads.values()).sum()
    }

    /// Asserts that each fault hit at least one in ten requests, among writes and among reads.
    ///
    /// # Panics
    /// When there were fewer, or too few requests to tell.
    #[track_caller]
    pub fn assert_hostile(&self) {
        for (what, fates) in [("writes", &self.writes), ("reads", &self.reads)] {
            let all: usize = fates.values().sum();
            assert!(all >= Deck::FAIR, "{all} {what} are too few to judge");
            for fault in Fate::FAULTS {
                let met = fates.get(&fault).copied().unwrap_or(0);
                assert!(met * 10 >= all, "{met} of {all} {what} were {fault:?}");
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "writes {:?}, reads {:?}", self.writes, self.reads)
    }
}

#[derive(Debug)]
struct State {
    upstream: SocketAddr,
    dialect: Dialect,
    /// For writes and for reads.
    decks: Option<[Mutex<Deck>; 2]>,
    /// Without decks, the fate of each request.
    always: Fate,
    tally: Mutex<Tally>,
    /// Paths of objects that were read.
    read: Mutex<BTreeSet<String>>,
}

impl State {
    fn fate(&self, is_read: bool) -> Fate {
        let fate = self.decks.as_ref().map_or(self.always, |decks| lock(&decks[usize::from(is_read)]).deal());
        let tally = &mut *lock(&self.tally);
        *(if is_read { &mut tally.reads } else { &mut tally.writes }).entry(fate).or_default() += 1;
        fate
    }
}

/// A running proxy. It stops when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    /// The address where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// In front of the server at `upstream`, making requests fail by this seed.
    pub fn hostile(upstream: SocketAddr, dialect: Dialect, seed: u64) -> Self {
        let decks = [seed, seed ^ u64::MAX].map(|seed| Mutex::new(Deck::new(seed)));
        Self::start(upstream, dialect, Some(decks), Fate::Passed)
    }

    /// In front of the server at `upstream`, only counting requests.
    pub fn counting(upstream: SocketAddr, dialect: Dialect) -> Self {
        Self::start(upstream, dialect, None, Fate::Passed)
    }

    /// In front of the server at `upstream`, answering each request late.
    pub fn slow(upstream: SocketAddr, dialect: Dialect) -> Self {
        Self::start(upstream, dialect, None, Fate::Delayed)
    }

    /// Returns and clears the paths of the requested objects, without their query.
    pub fn take_read(&self) -> BTreeSet<String> {
        std::mem::take(&mut lock(&self.state.read))
    }

    /// The fates of the requests so far.
    pub fn tally(&self) -> Tally {
        lock(&self.state.tally).clone()
    }

    fn start(upstream: SocketAddr, dialect: Dialect, decks: Option<[Mutex<Deck>; 2]>, always: Fate) -> Self {
        let state = Arc::new(State { upstream, dialect, decks, always, tally: Mutex::default(), read: Mutex::default() });
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel();
        let shared = state.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! { () = accept(listener, shared) => {}, _ = stopped => {} }
            });
        });
        Self { address, state, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        // Broken connections are the purpose of this proxy, so there is no one to report them to.
        tokio::spawn(serve(BufStream::new(client), state.clone()));
    }
}

/// One connection: request by request, each to the store over a connection of its own.
async fn serve(mut client: BufStream<TcpStream>, state: Arc<State>) -> io::Result<()> {
    while let Some(head) = Head::read(&mut client).await? {
        let fate = state.fate(head.is_read());
        lock(&state.read).extend(head.object());
        if head.field("expect").is_some() {
            send(&mut client, b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let body = head.body(&mut client).await?;
        if fate == Fate::Busy {
            send(&mut client, &state.dialect.busy(head.is_head())).await?;
            continue;
        }
        let mut server = BufStream::new(TcpStream::connect(state.upstream).await?);
        let request = message(&head, &body);
        if fate == Fate::CutRequest {
            return send(&mut server, half(&request, &body)).await;
        }
        send(&mut server, &request).await?;
        let (answer, body, ends) = answer(&mut server, &head).await?;
        let answer = message(&answer, &body);
        match fate {
            Fate::LostAnswer => return Ok(()),
            Fate::CutAnswer => return send(&mut client, half(&answer, &body)).await,
            Fate::Delayed => tokio::time::sleep(DELAY).await,
            _ => {}
        }
        send(&mut client, &answer).await?;
        if ends {
            return Ok(());
        }
    }
    Ok(())
}

/// The final answer to `request`: its head, its body, and whether the connection ends with it.
async fn answer(server: &mut BufStream<TcpStream>, request: &Head) -> io::Result<(Head, Vec<u8>, bool)> {
    loop {
        let head = Head::read(server).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.0.get(9..12).unwrap_or_default();
        if status.starts_with('1') {
            continue;
        }
        let ends = head.field("connection").is_some_and(|field| field.eq_ignore_ascii_case("close"));
        if request.is_head() || ["204", "304"].contains(&status) {
            return Ok((head, Vec::new(), ends));
        }
        if head.field("content-length").is_some() || head.is_chunked() {
            let body = head.body(server).await?;
            return Ok((head, body, ends));
        }
        let mut body = Vec::new();
        server.read_to_end(&mut body).await?;
        return Ok((head, body, true));
    }
}

fn message(head: &Head, body: &[u8]) -> Vec<u8> {
    [head.0.as_bytes(), body].concat()
}

/// Everything except the second half of the body or, without a body, of the head.
fn half<'a>(message: &'a [u8], body: &[u8]) -> &'a [u8] {
    let lost = if body.is_empty() { message.len() } else { body.len() }.div_ceil(2);
    &message[..message.len() - lost]
}

async fn send(to: &mut BufStream<TcpStream>, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

/// The first line and the fields of a request or an answer, with the empty line after them.
#[derive(Debug)]
struct Head(String);

impl Head {
    /// `None` when the connection was closed before another one.
    async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            if from.read_line(&mut text).await? == 0 {
                return if text.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
        Ok(Some(Self(text)))
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.0.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    fn is_head(&self) -> bool {
        self.0.starts_with("HEAD ")
    }

    /// The path of an object that is read.
    fn object(&self) -> Option<String> {
        let path = self.0.strip_prefix("GET ")?.split(' ').next()?;
        Some(path.split('?').next().unwrap_or(path).to_owned())
    }

    fn is_read(&self) -> bool {
        self.is_head() || self.0.starts_with("GET ")
    }

    fn is_chunked(&self) -> bool {
        self.field("transfer-encoding").is_some_and(|field| field.to_ascii_lowercase().contains("chunked"))
    }

    /// The body as it is sent, chunks with their sizes. Empty if no field announces a body, as in
    /// requests.
    async fn body(&self, from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
        if self.is_chunked() {
            return chunks(from).await;
        }
        let length = self.field("content-length").map_or(Ok(0), str::parse).map_err(io::Error::other)?;
        let mut body = vec![0; length];
        from.read_exact(&mut body).await?;
        Ok(body)
    }
}

async fn chunks(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let start = body.len();
        if from.read_until(b'\n', &mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&body[start..]);
        let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16).map_err(io::Error::other)?;
        if size == 0 {
            break;
        }
        let from_here = body.len();
        body.resize(from_here + size + 2, 0);
        from.read_exact(&mut body[from_here..]).await?;
    }
    while {
        let start = body.len();
        from.read_until(b'\n', &mut body).await? > 0 && &body[start..] != b"\r\n"
    } {}
    Ok(body)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Answers each request, in chunks, with the number of whole requests it has seen.
    fn server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let mut seen = 0;
            for connection in listener.incoming() {
                let mut connection = BufReader::new(connection.unwrap());
                let mut line = String::new();
                while !line.ends_with("\r\n\r\n") && connection.read_line(&mut line).unwrap_or(0) > 0 {}
                if line.ends_with("\r\n\r\n") && connection.read_exact(&mut [0; 4]).is_ok() {
                    seen += 1;
                    let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{seen:04}\r\n0\r\n\r\n");
                    connection.get_mut().write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        address
    }

    /// The answer to a PUT on its own connection.
    fn put(to: SocketAddr) -> String {
        let mut connection = std::net::TcpStream::connect(to).unwrap();
        connection.write_all(b"PUT /x HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody").unwrap();
        connection.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        let _ = connection.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn every_fate_is_what_it_says() {
        let proxy = Proxy::hostile(server(), Dialect::Azure, 1);
        let mut done = 0;
        for _ in 0..Deck::FAIR {
            let before = proxy.tally();
            let answer = put(proxy.address);
            let after = proxy.tally();
            let (fate, _) = after.writes.iter().find(|(fate, count)| before.writes.get(fate) != Some(count)).unwrap();
            done += usize::from(!matches!(fate, Fate::Busy | Fate::CutRequest));
            match fate {
                Fate::Passed | Fate::Delayed => {
                    assert!(answer.ends_with(&format!("4\r\n{done:04}\r\n0\r\n\r\n")), "{fate:?} {done}: {answer}")
                }
                Fate::CutRequest | Fate::LostAnswer => assert_eq!(answer, ""),
                Fate::CutAnswer => assert!(answer.contains("200 OK") && !answer.ends_with("0\r\n\r\n"), "{answer}"),
                Fate::Busy => assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("<Code>ServerBusy</Code>"), "{answer}"),
            }
        }
        for fault in Fate::FAULTS {
            assert_eq!(proxy.tally().writes[&fault], 8, "{fault:?}");
        }
    }

    #[test]
    fn requests_are_told_apart_on_one_connection() {
        let proxy = Proxy::counting(server(), Dialect::S3);
        let mut connection = std::net::TcpStream::connect(proxy.address).unwrap();
        connection
            .write_all(b"PUT /x HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyPUT /y HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")
            .unwrap();
        connection.write_all(b"a;x=y\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\nPUT /z HTTP/1.1\r\ncontent-length:4\r\n\r\nbody").unwrap();
        connection.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answers = String::new();
        let _ = connection.read_to_string(&mut answers);
        assert_eq!(answers.matches("200 OK").count(), 3, "{answers}");
        assert_eq!(proxy.tally().requests(), 3);
    }
}
