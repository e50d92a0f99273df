//! A TCP proxy that changes nothing and records when the first bytes pass.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Instant;

/// The proxy. It runs as long as the process.
#[derive(Debug, Clone)]
pub struct Tap {
    /// The address where it listens.
    pub address: String,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    connected: OnceLock<Instant>,
    answered: OnceLock<Instant>,
}

impl Tap {
    /// In front of this address.
    pub fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("this machine has ports");
        let tap = Self { address: listener.local_addr().expect("it is bound").to_string(), seen: Arc::default() };
        let (seen, upstream) = (tap.seen.clone(), upstream.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                seen.connected.get_or_init(Instant::now);
                let server = TcpStream::connect(&upstream).expect("the server runs");
                let (seen, both) = (seen.clone(), [&client, &server].map(|side| side.try_clone().expect("a handle")));
                thread::spawn(move || pump(client, server, || {}));
                let [client, server] = both;
                thread::spawn(move || pump(server, client, || _ = seen.answered.get_or_init(Instant::now)));
            }
        });
        tap
    }

    /// When the first client connected.
    pub fn connected(&self) -> Option<Instant> {
        self.seen.connected.get().copied()
    }

    /// When the server's first byte was sent to it.
    pub fn answered(&self) -> Option<Instant> {
        self.seen.answered.get().copied()
    }
}

/// Until either side closes.
fn pump(mut from: TcpStream, mut to: TcpStream, passed: impl Fn()) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        passed();
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // The other side may have closed it.
    _ = to.shutdown(Shutdown::Write);
}
