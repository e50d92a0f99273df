#![allow(clippy::unwrap_used)]

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;
use crate::StopSignal;
use crate::fake::{Fake, hosted_until};

/// The server over the fake function, in raw HTTP as the Functions host sends it.
struct Served {
    address: std::net::SocketAddr,
    stop: watch::Sender<bool>,
    signal: StopSignal,
    server: JoinHandle<()>,
}

impl Served {
    async fn start(keys: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let signal = StopSignal::default();
        let server = tokio::spawn(serve::<Fake>(listener, hosted_until(keys, signal.clone()), stopped));
        Self { address, stop, signal, server }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a separate connection; returns status and body of the response.
    async fn raw(&self, request: &str) -> (u16, Value) {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    }

    async fn post(&self, body: &str) -> (u16, Value) {
        self.raw(&request(body)).await
    }
}

fn request(body: &str) -> String {
    request_to("backup-batch", body)
}

fn request_to(function: &str, body: &str) -> String {
    let id = "X-Azure-Functions-InvocationId: 7a5f1b\r\nContent-Type: application/json";
    format!("POST /{function} HTTP/1.1\r\nHost: 127.0.0.1\r\n{id}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

async fn read_answer(stream: &mut TcpStream) -> (u16, Value) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() })
}

/// A tick, as the host sends it.
fn tick(timer: &Value) -> String {
    let sys = json!({"MethodName": "backup-batch", "UtcNow": "2026-11-23T19:00:00Z", "RandGuid": "0d7a6b1c"});
    json!({"Data": {"timer": timer}, "Metadata": {"sys": sys}}).to_string()
}

fn timer() -> Value {
    json!({"Schedule": {"AdjustForDST": true}, "ScheduleStatus": null, "IsPastDue": false})
}

/// Every response is an object of these three: with a null the host would wait permanently.
fn is_full(answer: &Value) -> bool {
    answer["Outputs"] == json!({}) && answer["Logs"].is_array() && answer.as_object().unwrap().get("ReturnValue") == Some(&Value::Null)
}

#[tokio::test]
async fn the_health_probe_is_answered() {
    let served = Served::start(&[]).await;
    let (status, answer) = served.raw("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
    assert_eq!(status, 200);
    assert!(is_full(&answer));
}

#[tokio::test]
async fn a_tick_in_every_documented_shape_is_an_invocation() {
    let served = Served::start(&[("TIME_BUDGET_SECONDS", "60")]).await;
    let status = json!({"Last": "2026-11-23T18:55:00Z", "Next": "2026-11-23T19:05:00Z", "LastUpdated": "2026-11-23T18:55:00Z"});
    let with_status = json!({"Schedule": {"AdjustForDST": true}, "ScheduleStatus": status, "IsPastDue": true});
    for shape in [timer(), with_status.clone(), with_status.to_string().into(), timer().to_string().into(), Value::Null, "".into()] {
        let (status, answer) = served.post(&tick(&shape)).await;
        assert_eq!(status, 200, "{shape}: {answer}");
        assert!(is_full(&answer), "{answer}");
        assert!(answer["Logs"][0].as_str().unwrap().contains("orders: 3 records"), "{answer}");
    }
}

#[tokio::test]
async fn an_event_by_hand_is_one_too() {
    let served = Served::start(&[]).await;
    let (status, answer) = served.post(&tick(&json!({"topic": "payments", "partition": 3}))).await;
    assert_eq!(status, 200);
    assert!(answer["Logs"][0].as_str().unwrap().contains("payments"), "{answer}");
}

/// Four functions of one app, each with a timer of its own; an event by hand does what it names,
/// whichever function gets it.
#[tokio::test]
async fn a_function_that_is_called_for_a_shard_does_that_shard() {
    let served = Served::start(&[]).await;
    let served = &served;
    let shard = |function: &'static str, event: Value| async move {
        let (status, answer) = served.raw(&request_to(function, &tick(&event))).await;
        assert_eq!(status, 200, "{function}: {answer}");
        answer["Logs"][0].as_str().unwrap().to_owned()
    };
    for (function, event, worked_on) in [
        ("backup-batch", timer(), "backup-batch: orders"),
        ("backup-batch-0-of-4", timer(), "backup-batch (shard 0/4): orders"),
        ("BACKUP-BATCH-3-OF-4", json!({}), "(shard 3/4)"),
        ("backup-batch-3-of-4", json!({"shard": 1, "of": 2}), "(shard 1/2)"),
    ] {
        let line = shard(function, event).await;
        assert!(line.contains(worked_on), "{function}: {line}");
    }
    assert!(shard("backup-batch-3-of-4", json!({"topic": "payments"})).await.contains("payments"));
    let (status, answer) = served.raw(&request_to("backup-batch-4-of-4", &tick(&timer()))).await;
    assert!(status == 400 && answer["Logs"].to_string().contains("from 0 to 3"), "{status}: {answer}");
    for other in [
        "backup-batch-4",
        "backup-batch-of-4",
        "backup-batch-1-of-",
        "backup-batch-+1-of-4",
        "backup-batch-1-of-4-x",
        "restore-batch-0-of-4",
    ] {
        let (status, answer) = served.raw(&request_to(other, &tick(&timer()))).await;
        assert!(status == 404 && answer["Logs"].to_string().contains("/backup-batch-0-of-4 for a shard"), "{other}: {answer}");
    }
}

#[tokio::test]
async fn bodies_come_in_chunks_of_any_size() {
    let served = Served::start(&[]).await;
    let body = tick(&timer());
    for size in [1, 7, body.len()] {
        let mut stream = served.connect().await;
        let head = "POST /backup-batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        for chunk in body.as_bytes().chunks(size) {
            stream.write_all(format!("{:X};extension=1\r\n", chunk.len()).as_bytes()).await.unwrap();
            stream.write_all(chunk).await.unwrap();
            stream.write_all(b"\r\n").await.unwrap();
        }
        stream.write_all(b"0\r\nTrailer: x\r\n\r\n").await.unwrap();
        assert_eq!(read_answer(&mut stream).await.0, 200, "{size}");
        // The same connection accepts the next request.
        stream.write_all(request(&body).as_bytes()).await.unwrap();
        assert_eq!(read_answer(&mut stream).await.0, 200, "{size}");
    }
}

#[tokio::test]
async fn a_client_that_waits_for_permission_gets_it() {
    let served = Served::start(&[]).await;
    let mut stream = served.connect().await;
    let body = tick(&timer());
    let head = format!("POST /BACKUP-BATCH HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.0, 200);
}

/// The memory of the process is for one invocation; the function was created once.
#[tokio::test]
async fn parallel_calls_take_turns() {
    let served = Served::start(&[]).await;
    let body = tick(&json!({"topic": "lingers"}));
    let answers: [(u16, Value); 3] = tokio::join!(served.post(&body), served.post(&body), served.post(&body)).into();
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
}

#[tokio::test]
async fn what_is_no_tick_is_refused_by_name() {
    let served = Served::start(&[]).await;
    let two = json!({"Data": {"timer": timer(), "other": {}}}).to_string();
    for (body, names) in [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("null", "\"Data\""),
        ("[]", "\"Data\""),
        (r#"{"Data":null}"#, "\"Data\""),
        (r#"{"Data":{}}"#, "empty"),
        (two.as_str(), "more than one"),
        (&tick(&json!({"shards": 1})), "shards"),
        (&tick(&json!({"shard": 4, "of": 4})), "from 0 to 3"),
        (&tick(&json!(7)), "not an object"),
        (&tick(&json!("soon")), "soon"),
    ] {
        let (status, answer) = served.post(body).await;
        assert_eq!(status, 400, "{body}");
        assert!(is_full(&answer) && answer["Logs"].to_string().replace('\\', "").contains(names), "{body}: {answer}");
    }
}

#[tokio::test]
async fn failures_are_no_2xx_and_whole_objects() {
    let served = Served::start(&[]).await;
    for (topic, says) in [("fails", "Retryable: fails/0"), ("is-refused", "Refused: the topic"), ("panics", "Panicked")] {
        let (status, answer) = served.post(&tick(&json!({"topic": topic}))).await;
        assert_eq!(status, 500, "{topic}");
        assert!(is_full(&answer) && answer["Logs"].to_string().contains(says), "{topic}: {answer}");
    }
    // The process continues.
    assert_eq!(served.post(&tick(&timer())).await.0, 200);
}

#[tokio::test]
async fn a_refused_configuration_is_every_invocations_answer() {
    let served = Served::start(&[("COMPRESSION", "zip")]).await;
    let (status, answer) = served.post(&tick(&timer())).await;
    assert_eq!(status, 500);
    assert!(answer["Logs"].to_string().contains("BadConfiguration: COMPRESSION"), "{answer}");
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let served = Served::start(&[]).await;
    assert_eq!(served.raw("POST /restore-batch HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await.0, 404);
    assert_eq!(served.raw("GET /backup-batch HTTP/1.1\r\nHost: x\r\n\r\n").await.0, 405);
}

#[tokio::test]
async fn what_is_not_http_is_refused_without_harm() {
    let served = Served::start(&[]).await;
    for (request, status) in [
        ("hello\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (&format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n{}", "x".repeat(0x20_0000)), 413),
        (&format!("POST / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(0x20_0000)), 431),
        (&format!("POST / HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(200)), 431),
    ] {
        assert_eq!(served.raw(request).await.0, status, "{request:.80}");
    }
    assert_eq!(served.post(&tick(&timer())).await.0, 200);
}

#[tokio::test]
async fn a_stop_ends_what_is_begun_and_takes_nothing_new() {
    let served = Served::start(&[]).await;
    let mut idle = served.connect().await;
    let mut busy = served.connect().await;
    busy.write_all(request(&tick(&json!({"topic": "waits-for-stop"}))).as_bytes()).await.unwrap();
    // The invocation is in progress once a later request has its response: both were accepted, in
    // order.
    let mut later = served.connect().await;
    later.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await.unwrap();
    assert_ne!(later.read(&mut [0; 1]).await.unwrap(), 0);
    drop(later);
    served.signal.stop();
    served.stop.send_replace(true);
    assert_eq!(read_answer(&mut busy).await.0, 200);
    served.server.await.unwrap();
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0, "an idle connection is closed");
    assert!(TcpStream::connect(served.address).await.is_err());
}
