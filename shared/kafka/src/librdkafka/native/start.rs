//! From properties to a client instance.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use kernel::lock;

use super::super::observer::Observer;
use super::code::{Code, Failure};
use super::conf::Conf;
use super::handle::{Handle, Kind};
use super::{close, layout, login, producer};

/// How many more threads the process must be able to start before a client starts. A client starts
/// one, one for each bootstrap server and broker, and one or two more. If some of them fail to
/// start, librdkafka ends the process (SIGSEGV).
const THREADS: usize = 24;

/// Starts an instance. It connects when there is something to do. With `tokens` it asks the
/// observer for them and waits until it has one.
///
/// # Errors
/// librdkafka's text, if properties contradict each other or name files that cannot be read. Or
/// another version of librdkafka. Or too few threads ([`Code::CRIT_SYS_RESOURCE`]).
pub(crate) fn start(kind: Kind, mut conf: Conf, observer: Arc<Observer>, tokens: bool) -> Result<Arc<Handle>, Failure> {
    // One client after the other, so that none uses the threads that were counted for another.
    static STARTING: Mutex<()> = Mutex::new(());
    layout::check().map_err(|reason| Failure::new(Code::FAIL, reason))?;
    let _one = lock(&STARTING);
    close::start().and_then(|()| can_start(THREADS)).map_err(no_threads)?;
    if tokens {
        login::ask_for_tokens(&mut conf);
    }
    if kind == Kind::Producer {
        // SAFETY: a valid conf.
        unsafe { producer::keep_timestamp_zero(conf.as_ptr()) };
    }
    let handle = Handle::new(kind, conf, observer)?;
    if tokens {
        handle.ask_in_background()?;
    }
    Ok(Arc::new(handle))
}

/// Whether this process can start so many threads now: starts and ends them.
fn can_start(threads: usize) -> io::Result<()> {
    let gate = Arc::new(Mutex::new(()));
    let closed = lock(&gate);
    let wait = |gate: Arc<Mutex<()>>| move || drop(lock(&gate));
    let started: Vec<io::Result<JoinHandle<()>>> = (0..threads)
        .map(|_| thread::Builder::new().name("kafka-room".to_owned()).spawn(wait(Arc::clone(&gate))))
        // The first failure is enough.
        .scan(true, |go_on, thread| std::mem::replace(go_on, thread.is_ok()).then_some(thread))
        .collect();
    drop(closed);
    started.into_iter().try_for_each(|thread| thread.map(|thread| _ = thread.join()))
}

fn no_threads(error: io::Error) -> Failure {
    let what = format!("this process cannot start {THREADS} more threads ({error})");
    Failure::new(Code::CRIT_SYS_RESOURCE, what)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_few_threads_can_be_started() {
        can_start(THREADS).unwrap();
        can_start(0).unwrap();
    }
}
