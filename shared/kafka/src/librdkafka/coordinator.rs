//! Why a coordinator is not available. Kafka keeps groups and transactions in topics of its own, which it creates when they are first needed: with three
//! replicas, unless its configuration says otherwise. With fewer brokers it never can, and whoever asks is only told to ask again.

use super::errors::{self, Doing};
use super::native::{Code, Failure};
use super::tries::Asker;
use crate::{KafkaError, KafkaErrorKind};

/// Replicas of Kafka's own topics, where its configuration does not say.
const DEFAULT_REPLICAS: usize = 3;

/// An error of a request to a coordinator, or what it comes from, where the cluster says so.
pub(super) async fn explained(asker: &Asker, doing: Doing, error: KafkaError) -> KafkaError {
    let code = error.source.as_ref().and_then(|cause| cause.downcast_ref::<Failure>()).map(|failure| failure.code);
    if !code.is_some_and(|code| [Code::TIMED_OUT, Code::COORDINATOR_NOT_AVAILABLE].contains(&code)) {
        return error;
    }
    let internal = match doing {
        Doing::InitTransactions | Doing::CommitTransaction => "__transaction_state",
        _ => "__consumer_offsets",
    };
    let handle = asker.handle();
    let Ok(cluster) = handle.describe_cluster(false, asker.limit()).await else { return error };
    let brokers = cluster.brokers.len();
    let Ok(topics) = handle.describe_topics(&[internal.to_owned()], asker.limit()).await else { return error };
    let is_missing =
        |described: &Result<_, Failure>| described.as_ref().is_err_and(|failure| errors::kind(failure) == KafkaErrorKind::UnknownTopic);
    if !topics.get(internal).is_some_and(is_missing) {
        return error;
    }
    // Some services that speak Kafka's protocol never show that topic: then a time-out has its own cause.
    if code == Some(Code::TIMED_OUT) && brokers >= DEFAULT_REPLICAS {
        return KafkaError { what: format!("{}. (The cluster shows no internal topic {internal}, either)", error.what), ..error };
    }
    let what = format!("{} failed: {}", doing.words(), why(internal, brokers));
    KafkaError { kind: KafkaErrorKind::Unavailable, what, ..error }
}

fn why(internal: &str, brokers: usize) -> String {
    let missing = format!("the cluster answers, but it has no coordinator for this: its internal topic {internal} does not exist");
    if brokers >= DEFAULT_REPLICAS {
        return format!("{missing}. The log of its controller says why it could not be created");
    }
    format!(
        "{missing}. Kafka creates it with {DEFAULT_REPLICAS} replicas unless its configuration says otherwise, and the cluster has {brokers} \
         broker{}. Set offsets.topic.replication.factor={brokers}, transaction.state.log.replication.factor={brokers} and \
         transaction.state.log.min.isr=1 in the configuration of the brokers (server.properties) and restart them; or add brokers",
        if brokers == 1 { "" } else { "s" }
    )
}
