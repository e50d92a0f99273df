//! From properties to a client instance.

use std::sync::Arc;

use super::super::observer::Observer;
use super::conf::Conf;
use super::handle::{Handle, Kind};
use super::{layout, login, producer};

/// Starts an instance. It connects when there is something to do. With `tokens` it asks the observer for them and waits until it has one.
///
/// # Errors
/// librdkafka's words, when properties contradict each other or name files that cannot be read. Or it is another version of librdkafka.
pub(crate) fn start(kind: Kind, mut conf: Conf, observer: Arc<Observer>, tokens: bool) -> Result<Arc<Handle>, String> {
    layout::check()?;
    if tokens {
        login::ask_for_tokens(&mut conf);
    }
    if kind == Kind::Producer {
        // SAFETY: a valid conf.
        unsafe { producer::keep_timestamp_zero(conf.as_ptr()) };
    }
    let handle = Handle::new(kind, conf, observer)?;
    if tokens {
        handle.ask_in_background().map_err(|failure| failure.text)?;
    }
    Ok(Arc::new(handle))
}
