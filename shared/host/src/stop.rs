//! A clean stop on a signal.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use super::StopSignal;

/// SIGINT and SIGTERM: the first one sets the returned signal (finish work in progress, start
/// nothing new) and calls `also`. A second one ends the process immediately, with exit code 1,
/// without loss.
///
/// # Errors
/// The system does not allow signal handlers.
pub fn stop_on_signals(also: impl FnOnce() + Send + 'static) -> io::Result<StopSignal> {
    let stop = StopSignal::default();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let seen = stop.clone();
    tokio::spawn(async move {
        let mut next = async || tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} };
        next().await;
        tracing::info!("stopping after the work in progress; a second signal stops immediately, without loss");
        seen.stop();
        also();
        next().await;
        std::process::exit(1);
    });
    Ok(stop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::print_stdout)]

    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::*;

    const CHILD: &str = "STOP_ON_SIGNALS_TEST";

    /// A program that ignores a request to stop, when the test below starts it; on its own it does
    /// nothing.
    #[tokio::test]
    async fn program_that_does_not_end() {
        if std::env::var_os(CHILD).is_some() {
            let stop = stop_on_signals(|| println!("asked to stop")).unwrap();
            println!("stop is set: {}", stop.is_set());
            std::future::pending().await
        }
    }

    fn send(signal: &str, to: &Child) {
        assert!(Command::new("kill").args([signal, &to.id().to_string()]).status().unwrap().success());
    }

    #[test]
    fn the_second_signal_ends_what_the_first_asks_to_stop() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["stop::tests::program_that_does_not_end", "--exact", "--nocapture"])
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.ends_with("stop is set: false")));
        send("-TERM", &child);
        assert!(lines.any(|line| line.ends_with("asked to stop")));
        assert!(child.try_wait().unwrap().is_none());
        send("-INT", &child);
        assert_eq!(child.wait().unwrap().code(), Some(1));
    }
}
