//! The Azure Functions host around a function. It starts the program with a port, polls `/` until
//! it answers, and posts the ticks of the timer ([custom
//! handlers](https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers)).

use std::io::BufReader;
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::function::{Function, Process, Variables, free_port, wait_until};
use crate::http::{self, Message};

/// A function app with one function.
#[derive(Debug)]
pub struct FunctionApp {
    /// The custom handler.
    pub process: Process,
    poster: Poster,
}

/// Posts to the app. A copy can post while the app is being stopped.
#[derive(Debug, Clone, Copy)]
pub struct Poster {
    function: Function,
    port: u16,
}

/// An answer, as the host reads it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Value,
}

impl Answer {
    /// The same if the host takes it for a success.
    ///
    /// # Panics
    /// If it does not: the status is not 2xx, or the object is incomplete, so the host would wait
    /// permanently.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert!(self.status / 100 == 2 && self.is_whole(), "{self:?}");
        self
    }

    /// Whether it is an object of the three fields that the host reads.
    pub fn is_whole(&self) -> bool {
        self.body["Outputs"].is_object() && self.body["Logs"].is_array() && self.body.get("ReturnValue").is_some()
    }

    /// The lines for the person at the function's page.
    pub fn logs(&self) -> String {
        self.body["Logs"].to_string()
    }
}

impl FunctionApp {
    /// Starts the function and waits until it answers.
    pub fn start(function: Function, variables: &Variables) -> Self {
        let port = free_port();
        let process = Process::start(function, variables, &[("FUNCTIONS_CUSTOMHANDLER_PORT", &port.to_string())]);
        wait_until("the custom handler", || {
            let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
            http::write(&mut &stream, "GET / HTTP/1.1", &[("host", "127.0.0.1")], b"").is_ok()
                && Message::read(&mut BufReader::new(&stream)).is_ok_and(|answer| answer.is_some())
        });
        Self { process, poster: Poster { function, port } }
    }

    /// A handle that posts to this app.
    pub fn poster(&self) -> Poster {
        self.poster
    }

    /// [`Poster::tick`].
    pub fn tick(&self, timer: &Value) -> Answer {
        self.poster.tick(timer)
    }

    /// [`Poster::post`].
    pub fn post(&self, body: &str, chunks: Option<usize>) -> Answer {
        self.poster.post(body, chunks)
    }
}

impl Poster {
    /// A tick of the timer, with this value under the binding's name. Can be called from any
    /// thread.
    pub fn tick(&self, timer: &Value) -> Answer {
        self.post(&payload(self.function, timer).to_string(), None)
    }

    /// Posts a body, whole or in chunks of this many bytes.
    pub fn post(&self, body: &str, chunks: Option<usize>) -> Answer {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the function listens");
        let first = format!("POST /{} HTTP/1.1", self.function.name());
        let headers = [("host", "127.0.0.1"), ("x-azure-functions-invocationid", "6a0a3b6e-3cd1-4ce0-a2e9-1b7c6e1a9a11")];
        match chunks {
            None => http::write(&mut &stream, &first, &headers, body.as_bytes()),
            Some(size) => http::write_chunked(&mut &stream, &first, &headers, body.as_bytes(), size),
        }
        .expect("the function reads");
        let answer = Message::read(&mut BufReader::new(&stream)).expect("HTTP").expect("an answer");
        Answer { status: answer.second().parse().expect("a status"), body: answer.json() }
    }
}

/// The body that the host sends at a tick.
pub fn payload(function: Function, timer: &Value) -> Value {
    let sys = json!({"MethodName": function.name(), "UtcNow": "2026-11-23T19:00:00.0000000Z", "RandGuid": "0d7a6b1c-58c8-4d6a-8f5e-0a6f0f4e7f10"});
    json!({"Data": {"timer": timer}, "Metadata": {"sys": sys}})
}

/// A timer as it is on its first tick.
pub fn first_tick() -> Value {
    json!({"Schedule": {"AdjustForDST": true}, "ScheduleStatus": null, "IsPastDue": false})
}
