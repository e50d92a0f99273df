//! AWS Lambda around a function: containers, and one of two runtime APIs.
//!
//! [`StandIn`] speaks the
//! [documented API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html) with real
//! deadlines, and kills a container at its deadline as Lambda does. [`Emulator`] is cargo-lambda's,
//! which has no deadlines.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::function::{Function, Process, Variables, free_port, wait_until};
use crate::http::{self, Message};

/// The result of an invocation.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The type of the error, if there is one.
    pub error: Option<String>,
    /// The report, or the error's message.
    pub body: Value,
}

impl Answer {
    /// The report.
    ///
    /// # Panics
    /// When the invocation failed.
    #[track_caller]
    pub fn report(self) -> Value {
        assert_eq!(self.error, None, "{}", self.body);
        self.body
    }
}

/// Containers of a function.
#[derive(Debug)]
pub struct Lambda<A> {
    /// The runtime API that delivers their events.
    pub api: A,
    containers: Mutex<Vec<Process>>,
    function: Function,
}

impl<A: Api> Lambda<A> {
    /// Starts this many containers with this memory setting in MiB.
    pub fn start(api: A, function: Function, variables: &Variables, containers: usize, memory: u64) -> Self {
        let address = api.address(function);
        let memory = memory.to_string();
        let platform = [
            ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", function.name()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory),
            ("AWS_REGION", "eu-west-1"),
        ];
        let containers = (0..containers).map(|_| Process::start(function, variables, &platform)).collect();
        Self { api, containers: Mutex::new(containers), function }
    }

    /// One invocation, from any thread.
    pub fn invoke(&self, event: &str) -> Answer {
        self.api.invoke(self.function, event)
    }

    /// Invokes until `done` is true for a report. Returns all reports.
    ///
    /// # Panics
    /// When an invocation fails, or 2000 were not enough.
    #[track_caller]
    pub fn invoke_until(&self, event: &str, mut done: impl FnMut(&Value) -> bool) -> Vec<Value> {
        let mut reports = Vec::new();
        while reports.len() < 2000 {
            reports.push(self.invoke(event).report());
            if done(reports.last().expect("just pushed")) {
                return reports;
            }
        }
        panic!("not done after {} invocations: {}", reports.len(), reports[reports.len() - 1]);
    }

    /// The most memory that one of the containers ever had resident, in bytes.
    pub fn peak_memory(&self) -> u64 {
        lock(&self.containers).iter().map(Process::peak_memory).max().unwrap_or_default()
    }

    /// When the first container was started.
    pub fn first_container(&self) -> Instant {
        lock(&self.containers)[0].started
    }
}

/// A runtime API.
pub trait Api {
    /// AWS_LAMBDA_RUNTIME_API of a function's containers.
    fn address(&self, function: Function) -> String;

    /// Delivers an event to a container and waits for its answer.
    fn invoke(&self, function: Function, event: &str) -> Answer;
}

/// A runtime API with deadlines, for one function.
#[derive(Debug, Clone)]
pub struct StandIn {
    address: String,
    timeout: Duration,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    jobs: Mutex<Jobs>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Jobs {
    waiting: VecDeque<(u64, String)>,
    running: BTreeMap<u64, Sender<Answer>>,
    last: u64,
    /// When a container first asked for an event.
    asked: Option<Instant>,
}

impl StandIn {
    /// With this timeout for each invocation, counted from the moment a container takes the event.
    pub fn start(timeout: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("this machine has ports");
        let address = listener.local_addr().expect("it is bound").to_string();
        let stand_in = Self { address, timeout, state: Arc::default() };
        let server = stand_in.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                // A connection ends when its container ends.
                thread::spawn(move || _ = server.converse(&stream));
            }
        });
        stand_in
    }

    /// When a container first asked for an event: its initialisation was over.
    pub fn first_asked(&self) -> Option<Instant> {
        lock(&self.state.jobs).asked
    }

    fn converse(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut from = BufReader::new(stream);
        let mut to = stream;
        while let Some(request) = Message::read(&mut from)? {
            let path: Vec<&str> = request.second().trim_matches('/').split('/').collect();
            match path[..] {
                ["2018-06-01", "runtime", "invocation", "next"] => {
                    let (id, event) = self.next();
                    let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
                    let headers = [
                        ("lambda-runtime-aws-request-id", format!("00000000-0000-0000-0000-{id:012}")),
                        ("lambda-runtime-deadline-ms", (now + self.timeout).as_millis().to_string()),
                        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:f".to_owned()),
                    ];
                    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
                    http::write(&mut to, "HTTP/1.1 200 OK", &headers, event.as_bytes())?;
                }
                ["2018-06-01", "runtime", "invocation", id, kind] => {
                    let body = request.json();
                    let error = (kind == "error").then(|| body["errorType"].as_str().unwrap_or_default().to_owned());
                    self.answered(id, Answer { error, body });
                    http::write(&mut to, "HTTP/1.1 202 Accepted", &[], b"{}")?;
                }
                _ => http::write(&mut to, "HTTP/1.1 404 Not Found", &[], b"{}")?,
            }
            to.flush()?;
        }
        Ok(())
    }

    fn next(&self) -> (u64, String) {
        let mut jobs = lock(&self.state.jobs);
        jobs.asked.get_or_insert_with(Instant::now);
        loop {
            if let Some(job) = jobs.waiting.pop_front() {
                return job;
            }
            jobs = self.state.arrived.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn answered(&self, id: &str, answer: Answer) {
        let id = id.rsplit('-').next().and_then(|id| id.parse().ok()).unwrap_or_default();
        if let Some(waits) = lock(&self.state.jobs).running.remove(&id) {
            // The caller may have given up.
            _ = waits.send(answer);
        }
    }

    fn hand_over(&self, event: &str) -> Receiver<Answer> {
        let (answer, answered) = channel();
        let mut jobs = lock(&self.state.jobs);
        jobs.last += 1;
        let id = jobs.last;
        jobs.running.insert(id, answer);
        jobs.waiting.push_back((id, event.to_owned()));
        self.state.arrived.notify_all();
        answered
    }
}

impl Api for StandIn {
    fn address(&self, _: Function) -> String {
        self.address.clone()
    }

    /// The first container's initialisation is not part of the invocation, as it is not on Lambda.
    fn invoke(&self, _: Function, event: &str) -> Answer {
        wait_until("a container asks for an event", || self.first_asked().is_some());
        let answered = self.hand_over(event);
        answered.recv_timeout(self.timeout).unwrap_or_else(|_| Answer {
            error: Some("Sandbox.Timedout".to_owned()),
            body: Value::from(format!("Task timed out after {:.2} seconds", self.timeout.as_secs_f64())),
        })
    }
}

/// cargo-lambda's emulator.
#[derive(Debug)]
pub struct Emulator {
    process: Child,
    port: u16,
}

impl Emulator {
    /// Starts the emulator of this cargo-lambda.
    pub fn start(program: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new(program);
        command.args(["lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1", "--invoke-port", &port.to_string()]);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("cargo-lambda starts");
        wait_until("cargo-lambda's emulator", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { process, port }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

impl Api for Emulator {
    fn address(&self, function: Function) -> String {
        format!("http://127.0.0.1:{}/.rt/{}", self.port, function.name())
    }

    fn invoke(&self, function: Function, event: &str) -> Answer {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the emulator runs");
        // If no container takes the event, the emulator waits permanently.
        stream.set_read_timeout(Some(Duration::from_secs(300))).expect("a socket");
        let first = format!("POST /2015-03-31/functions/{}/invocations HTTP/1.1", function.name());
        http::write(&mut &stream, &first, &[("host", "127.0.0.1")], event.as_bytes()).expect("the emulator reads");
        let answer = Message::read(&mut BufReader::new(&stream)).expect("the emulator answers").expect("the emulator answers");
        let body = answer.json();
        let error = body["errorType"].as_str().map(str::to_owned);
        Answer { error: error.or_else(|| (answer.second() != "200").then(|| answer.first.clone())), body }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
