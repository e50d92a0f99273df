//! Runs slow work in the background, such as closing a client: librdkafka waits for its threads,
//! and one of them can wait for a name server.

use std::ops::Deref;
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use kernel::lock;

type Work = Box<dyn FnOnce() + Send>;

/// To the thread that distributes the work. It starts with the first client: at a limit of threads
/// there may be none left when it is needed.
static CLOSER: OnceLock<Sender<Work>> = OnceLock::new();

/// How much work is not done yet.
static OPEN: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// Starts that thread, if it does not run yet. Call it before there is work.
pub(super) fn start() -> std::io::Result<()> {
    static STARTING: Mutex<()> = Mutex::new(());
    let _one = lock(&STARTING);
    if CLOSER.get().is_none() {
        let (sender, receiver) = channel();
        thread::Builder::new().name("kafka-closer".to_owned()).spawn(move || do_all(receiver))?;
        _ = CLOSER.set(sender);
    }
    Ok(())
}

/// Each piece in its own thread, so that none waits for another one; one after another if no thread
/// can be started.
fn do_all(work: Receiver<Work>) {
    for piece in work {
        let piece = Arc::new(Mutex::new(Some(piece)));
        let work = |piece: Arc<Mutex<Option<Work>>>| {
            let piece = lock(&piece).take();
            if let Some(piece) = piece {
                piece();
            }
        };
        let theirs = Arc::clone(&piece);
        if thread::Builder::new().name("kafka-close".to_owned()).spawn(move || work(theirs)).is_err() {
            work(piece);
        }
    }
}

/// Runs this in another thread, soon.
pub(crate) fn elsewhere(work: impl FnOnce() + Send + 'static) {
    *lock(&OPEN.0) += 1;
    let work: Work = Box::new(|| {
        work();
        *lock(&OPEN.0) -= 1;
        OPEN.1.notify_all();
    });
    let undone = match CLOSER.get() {
        Some(closer) => closer.send(work).err().map(|SendError(work)| work),
        None => Some(work),
    };
    if let Some(work) = undone {
        work();
    }
}

/// Waits at most `limit` until dropped clients have closed, and abandoned transactions have been
/// aborted. Blocks. For the end of the program: OpenSSL's cleanup at exit would free what
/// librdkafka's threads still use.
pub fn wait_until_closed(limit: Duration) {
    let open = OPEN.0.lock().unwrap_or_else(PoisonError::into_inner);
    drop(OPEN.1.wait_timeout_while(open, limit, |open| *open > 0));
}

/// A value that is dropped in another thread, soon. Dropping this one does not wait.
pub(super) struct Later<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Later<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Some(value))
    }

    pub(super) fn get_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("only `drop` takes it")
    }
}

impl<T: Send + 'static> Deref for Later<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("only `drop` takes it")
    }
}

impl<T: Send + 'static> Drop for Later<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            elsewhere(move || drop(value));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    struct Slow(Receiver<()>, Sender<thread::ThreadId>);

    impl Drop for Slow {
        fn drop(&mut self) {
            _ = self.0.recv();
            _ = self.1.send(thread::current().id());
        }
    }

    #[test]
    fn whoever_drops_a_value_does_not_wait_for_its_end_and_neither_does_another_value() {
        start().unwrap();
        let (ended, end) = mpsc::channel();
        let (go, gate) = mpsc::channel();
        let (quick, gone) = mpsc::channel();
        drop(quick);
        drop(Later::new(Slow(gate, ended.clone())));
        drop(Later::new(Slow(gone, ended)));
        assert_ne!(end.recv().unwrap(), thread::current().id());
        assert!(end.try_recv().is_err(), "the first one ended without leave");
        go.send(()).unwrap();
        assert_ne!(end.recv().unwrap(), thread::current().id());
    }
}
