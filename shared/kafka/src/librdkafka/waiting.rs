//! Calls of librdkafka that block.

use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::native::{Code, Failure, Handle, elsewhere};

/// How often a waiting caller checks whether waiting still makes sense.
const LOOK: Duration = Duration::from_millis(200);

/// Runs a call that ends within seconds, without blocking others. Not in tokio's pool: at a limit
/// of threads that never runs it, and reports nothing.
///
/// # Panics
/// The call panics.
pub(super) async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = oneshot::channel();
    elsewhere(move || drop(tell.send(call())));
    told.await.expect("the call does not panic")
}

/// Runs a call that can take long, until `hinders` returns a problem. Serves callbacks meanwhile,
/// so that problems are seen.
///
/// The call has its own thread. Neither a dropped future nor the end of the program waits for it.
///
/// # Errors
/// The error of the call, or the problem; then the call continues in the background.
pub(super) async fn watched<T: Send + 'static>(
    handle: &Handle,
    hinders: impl Fn() -> Option<Failure>,
    call: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (tell, mut told) = oneshot::channel();
    let started = thread::Builder::new().name("kafka-call".to_owned()).spawn(move || drop(tell.send(call())));
    started.map_err(|error| Failure::new(Code::CRIT_SYS_RESOURCE, format!("cannot start a thread for a call: {error}")))?;
    loop {
        let answer = tokio::time::timeout(LOOK, &mut told).await;
        handle.serve();
        match answer {
            Ok(Ok(answer)) => return answer,
            Ok(Err(_)) => return Err(Failure::new(Code::FAIL, "a call ended without a result")),
            Err(_) => {
                if let Some(failure) = hinders() {
                    return Err(failure);
                }
            }
        }
    }
}
