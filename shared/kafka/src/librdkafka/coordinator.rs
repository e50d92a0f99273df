//! Why a coordinator is not available. Kafka stores groups and transactions in internal topics,
//! which it creates when first needed: with three replicas, unless configured otherwise. With fewer
//! brokers it never can, and clients only get the error to retry.

use super::errors::{self, Doing};
use super::native::{Code, Failure};
use super::tries::Asker;
use crate::{KafkaError, KafkaErrorKind};

/// Default replicas of Kafka's internal topics.
const DEFAULT_REPLICAS: usize = 3;

/// The error of a request to a coordinator, or its root cause, if the cluster shows it.
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
    // Some Kafka-compatible services never show that topic: then a timeout has another cause.
    if code == Some(Code::TIMED_OUT) && brokers >= DEFAULT_REPLICAS {
        return KafkaError { what: format!("{}. (The cluster shows no internal topic {internal}, either)", error.what), ..error };
    }
    let what = format!("{} failed: {}", doing.words(), why(internal, brokers));
    KafkaError { kind: KafkaErrorKind::Unavailable, what, ..error }
}

fn why(internal: &str, brokers: usize) -> String {
    let missing = format!("the cluster answers, but it has no coordinator for this: its internal topic {internal} does not exist");
    if brokers >= DEFAULT_REPLICAS {
        return format!("{missing}. See the log of its controller for why it could not be created");
    }
    format!(
        "{missing}. Kafka creates it with {DEFAULT_REPLICAS} replicas unless configured otherwise, and the \
         cluster has {brokers} broker{}. Set offsets.topic.replication.factor={brokers}, \
         transaction.state.log.replication.factor={brokers} and transaction.state.log.min.isr=1 in the \
         configuration of the brokers (server.properties) and restart them; or add brokers",
        if brokers == 1 { "" } else { "s" }
    )
}
