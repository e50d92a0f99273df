//! All brokers of a client unavailable.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use kernel::lock;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer, ProducerContext};

use super::faults::broker;
use super::help::*;

/// What a client logged: whether all brokers are down, and whether it returns to the bootstrap
/// servers.
#[derive(Default)]
struct Said(Mutex<(bool, bool)>);

impl ClientContext for Said {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, _: &str) {
        lock(&self.0).1 |= facility == "REBOOTSTRAP";
    }

    fn error(&self, error: KafkaError, _: &str) {
        lock(&self.0).0 |= error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
    }
}

impl ProducerContext for Said {
    type DeliveryOpaque = ();
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// It requires two macros that librdkafka's CMake build omits: see `.cargo/config.toml`.
#[test]
fn a_client_without_brokers_goes_back_to_the_bootstrap_servers() {
    let (broker, settings) = broker();
    let mut config = plain(&settings, &[("debug", "generic"), ("reconnect.backoff.max.ms", "500")]);
    let client: BaseProducer<Said> = config.set_log_level(RDKafkaLogLevel::Debug).create_with_context(Said::default()).unwrap();
    client.client().fetch_metadata(Some("topic"), LONG).unwrap();
    broker.broker().down(true);
    let start = Instant::now();
    while *lock(&client.context().0) != (true, true) {
        assert!(
            start.elapsed() < LONG,
            "librdkafka was built without HAVE_ATOMICS_32_ATOMIC and HAVE_ATOMICS_64_ATOMIC: (told, went back) = {:?}. They come from \
             .cargo/config.toml, when cargo runs inside of this repository; after a change there: cargo clean -p rdkafka-sys",
            lock(&client.context().0)
        );
        client.poll(Duration::from_millis(100));
    }
}
