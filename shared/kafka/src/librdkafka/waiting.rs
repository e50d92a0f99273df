//! Calls of librdkafka that block.

use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::native::{Code, Failure, Handle, elsewhere};

/// How often somebody who waits looks whether waiting still makes sense.
const LOOK: Duration = Duration::from_millis(200);

/// Runs a call that ends within seconds where it hinders nobody. Not in tokio's pool: at a limit of threads that never gets to it, and says nothing.
///
/// # Panics
/// The call does.
pub(super) async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = oneshot::channel();
    elsewhere(move || drop(tell.send(call())));
    told.await.expect("the call does not panic")
}

/// Runs a call that can take long, for as long as `hinders` sees nothing. Callbacks are served meanwhile, so that it sees what happens.
///
/// The call has a thread of its own, for which nobody waits: not this future when it gives the waiting up, and not the end of the program.
///
/// # Errors
/// That of the call, or what hinders it; then it goes on for as long as it takes.
pub(super) async fn watched<T: Send + 'static>(
    handle: &Handle,
    hinders: impl Fn() -> Option<Failure>,
    call: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (tell, mut told) = oneshot::channel();
    let started = thread::Builder::new().name("kafka-call".to_owned()).spawn(move || drop(tell.send(call())));
    started.map_err(|error| Failure::new(Code::CRIT_SYS_RESOURCE, format!("no thread for a call: {error}")))?;
    loop {
        let answer = tokio::time::timeout(LOOK, &mut told).await;
        handle.serve();
        match answer {
            Ok(Ok(answer)) => return answer,
            Ok(Err(_)) => return Err(Failure::new(Code::FAIL, "a call ended without an answer")),
            Err(_) => {
                if let Some(failure) = hinders() {
                    return Err(failure);
                }
            }
        }
    }
}
