//! Against a real Kafka: what the embedded broker does not do. `KAFKA_BOOTSTRAP_SERVERS` names it.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::time::Duration;

use kernel::record::TimestampType;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::help::*;
use crate::{
    Delivery, Isolation, KafkaErrorKind, KafkaSettings, NewTopic, OffsetRange, Queued, RdKafkaSource, SourceCluster, TargetCluster,
    TopicPartition, WriterName,
};

/// The real Kafka. Without one the test reports that it did not run; under `CI=true` it fails.
pub(super) fn real() -> Option<KafkaSettings> {
    named_by("KAFKA_BOOTSTRAP_SERVERS")
}

/// Its listener that requires a login.
pub(super) fn sasl() -> Option<KafkaSettings> {
    named_by("TEST_KAFKA_SASL_SERVERS")
}

/// Its listener for clients with a certificate.
pub(super) fn tls() -> Option<KafkaSettings> {
    named_by("TEST_KAFKA_TLS_SERVERS")
}

fn named_by(variable: &str) -> Option<KafkaSettings> {
    if let Ok(bootstrap_servers) = std::env::var(variable) {
        return Some(KafkaSettings { bootstrap_servers, ..KafkaSettings::default() });
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{variable} names no Kafka");
    // The thread of a test has its name. Written past the capturing of output, which hides that of
    // tests that pass.
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "NOT RUN: {test} needs a real Kafka ({variable})");
    None
}

fn admin(settings: &KafkaSettings) -> AdminClient<DefaultClientContext> {
    plain(settings, &[]).create().unwrap()
}

async fn range(source: &RdKafkaSource, partition: &TopicPartition) -> OffsetRange {
    source.offsets(std::slice::from_ref(partition)).await.unwrap().remove(partition).unwrap().unwrap()
}

#[tokio::test]
async fn records_of_every_codec_come_back_unchanged() {
    let settings = real!();
    let topic = unique("codecs");
    let cluster = target(&settings).cluster().await.unwrap();
    assert!(cluster.id.is_some_and(|id| id.len() == 22) && cluster.brokers >= 1);
    create(&target(&settings), &topic, 5, &[]).await;
    for (partition, codec) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().enumerate() {
        let target = target(&with(&settings, &[("compression.codec", codec)]));
        write(&target, &topic, partition as i32, &odd_records()).await;
    }
    let source = source(&settings, "codecs");
    for partition in 0..5 {
        assert_eq!(read_all(&source, &topic, partition).await, at(0, &odd_records()), "partition {partition}");
    }
}

#[tokio::test]
async fn a_reader_stopped_anywhere_goes_on_there() {
    let settings = real!();
    let topic = unique("stops");
    let (source, target) = (source(&settings, "stops"), target(&settings));
    create(&target, &topic, 1, &[]).await;
    write(&target, &topic, 0, &odd_records()).await;
    let partition = TopicPartition::new(&topic, 0);
    let mut reader = source.open(&partition, 3).await.unwrap();
    let mut records = Vec::new();
    while reader.position() < odd_records().len() as i64 + 1 {
        reader.fetch(LONG).await.unwrap();
        reader.drain(&mut |record| {
            records.push(Owned::copy(record));
            ControlFlow::Break(())
        });
    }
    assert_eq!(records, at(3, &odd_records()[3..]));
    drop(reader);
    // Dropped, so the partition can be read again with the same client.
    let mut again = source.open(&partition, 5).await.unwrap();
    assert_eq!(source.open(&partition, 5).await.unwrap_err().kind, KafkaErrorKind::Unavailable);
    assert_eq!(read_to(&mut *again, 14).await, at(5, &odd_records()[5..]));
}

/// Brokers that abort a transaction, and a newer writer that takes it over, cause the same code.
#[tokio::test]
async fn a_transaction_that_lasted_too_long_is_told_from_one_that_a_newer_writer_took() {
    let settings = real!();
    let (topic, id) = (unique("epochs"), unique("restore"));
    let target = target(&with(&settings, &[("transaction.timeout.ms", "1000")]));
    create(&target, &topic, 1, &[]).await;
    let records = odd_records();

    let mut late = open(&target, &topic, &id, Delivery::ExactlyOnce).await;
    queue(&mut *late, 0, &records[..1]).await;
    late.flush().await.unwrap();
    // Brokers check every ten seconds for transactions that are open for too long.
    tokio::time::sleep(Duration::from_secs(13)).await;
    let error = late.commit(&progress(1, "")).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Aborted, "{error}");
    assert!(error.what.contains("longer than transaction.timeout.ms (1000)") && error.is_retryable(), "{error}");

    let target = self::target(&settings);
    let mut older = open(&target, &topic, &id, Delivery::ExactlyOnce).await;
    queue(&mut *older, 0, &records[..1]).await;
    older.flush().await.unwrap();
    let _newer = open(&target, &topic, &id, Delivery::ExactlyOnce).await;
    let error = older.commit(&progress(1, "")).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Fenced, "{error}");
}

#[tokio::test]
async fn aborted_records_are_never_visited_and_the_end_lies_behind_control_records() {
    let settings = real!();
    let (topic, id) = (unique("aborted"), unique("restore"));
    let (source, target) = (source(&settings, "aborted"), target(&settings));
    create(&target, &topic, 1, &[]).await;
    let partition = TopicPartition::new(&topic, 0);
    let records = odd_records();

    // A writer is killed; the next one of its name settles what it left.
    let mut killed = open(&target, &topic, &id, Delivery::ExactlyOnce).await;
    queue(&mut *killed, 0, &records[..3]).await;
    killed.flush().await.unwrap();
    let hanging = range(&source, &partition).await;
    assert_eq!(hanging, OffsetRange { log_start: 0, end: 0, high_watermark: 3 });
    // A killed one sends nothing more, unlike a dropped one.
    std::mem::forget(killed);
    let mut writer = open(&target, &topic, &id, Delivery::ExactlyOnce).await;
    assert_eq!(writer.progress().await.unwrap(), None);
    assert_eq!(settled(&source, &partition).await, OffsetRange { log_start: 0, end: 4, high_watermark: 4 });

    queue(&mut *writer, 0, &records[3..5]).await;
    writer.flush().await.unwrap();
    writer.commit(&progress(5, "first")).await.unwrap();
    assert_eq!(writer.progress().await.unwrap(), Some(progress(5, "first")));
    queue(&mut *writer, 0, &records[5..6]).await;
    writer.flush().await.unwrap();
    writer.commit(&progress(6, "second")).await.unwrap();
    assert_eq!(writer.progress().await.unwrap(), Some(progress(6, "second")));

    // 3 aborted and an abort marker, 2 and a commit marker, 1 and a commit marker.
    let end = settled(&source, &partition).await;
    assert_eq!(end, OffsetRange { log_start: 0, end: 9, high_watermark: 9 });
    let mut reader = source.open(&partition, 0).await.unwrap();
    let read = read_to(&mut *reader, 9).await;
    assert_eq!(read, [at(4, &records[3..5]), at(7, &records[5..6])].concat());
    assert_eq!(reader.position(), 9);

    let uncommitted = RdKafkaSource::connect(&settings, "aborted", Isolation::ReadUncommitted, 1 << 20).unwrap();
    assert_eq!(read_all(&uncommitted, &topic, 0).await.len(), 6);
}

#[tokio::test]
async fn progress_moves_with_the_records_or_not_at_all() {
    let settings = real!();
    let (topic, id) = (unique("progress"), unique("restore"));
    let (source, target) = (source(&settings, "progress"), target(&settings));
    create(&target, &topic, 2, &[]).await;
    let mut writer = open(&target, &topic, &id, Delivery::ExactlyOnce).await;
    // Progress without records, too: a segment can have none.
    writer.commit(&progress(10, "empty")).await.unwrap();
    queue(&mut *writer, 1, &odd_records()).await;
    let written = writer.flush().await.unwrap();
    assert_eq!(written.iter().map(|run| (run.partition, run.first, run.count)).collect::<Vec<_>>(), [(1, Some(0), 13)]);
    drop(writer);
    let mut next = open(&target, &topic, &id, Delivery::ExactlyOnce).await;
    assert_eq!(next.progress().await.unwrap(), Some(progress(10, "empty")));
    assert_eq!(read_all(&source, &topic, 1).await, []);
}

#[tokio::test]
async fn a_writer_that_is_dropped_does_not_keep_readers_waiting() {
    let settings = real!();
    let topic = unique("dropped");
    let (source, target) = (source(&settings, "dropped"), target(&settings));
    create(&target, &topic, 1, &[]).await;
    let mut writer = open(&target, &topic, &unique("restore"), Delivery::ExactlyOnce).await;
    queue(&mut *writer, 0, &odd_records()[..3]).await;
    writer.flush().await.unwrap();
    drop(writer);
    let partition = TopicPartition::new(&topic, 0);
    // Not after transaction.timeout.ms, five minutes.
    let settled = tokio::time::timeout(LONG, settled(&source, &partition)).await.expect("an abort");
    assert_eq!(settled, OffsetRange { log_start: 0, end: 4, high_watermark: 4 });
}

/// librdkafka keeps such records permanently, and reports nothing.
#[tokio::test]
async fn records_for_a_topic_that_was_deleted_before_the_first_of_them_are_not_waited_for() {
    let settings = real!();
    for delivery in [Delivery::ExactlyOnce, Delivery::AtLeastOnce] {
        let (topic, target) = (unique("gone"), target(&settings));
        create(&target, &topic, 1, &[]).await;
        let mut writer = target.open(&WriterName { topic: topic.clone(), id: topic.clone() }, delivery).await.unwrap();
        admin(&settings).delete_topics(&[&topic], &AdminOptions::new()).await.unwrap();
        while target.describe(&topic).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let written = odd_records()[0].lend(|record| writer.write(0, record));
        let error = match written {
            Ok(_) => writer.flush().await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.kind, KafkaErrorKind::UnknownTopic, "{error}");
    }
}

#[tokio::test]
async fn an_older_writer_is_fenced() {
    let settings = real!();
    let (topic, id) = (unique("fenced"), unique("restore"));
    let (source, target) = (source(&settings, "fenced"), target(&settings));
    create(&target, &topic, 1, &[]).await;
    let mut writers = Vec::new();
    for record in &odd_records()[..2] {
        let mut writer = open(&target, &topic, &id, Delivery::ExactlyOnce).await;
        queue(&mut *writer, 0, std::slice::from_ref(record)).await;
        writer.flush().await.unwrap();
        writers.push(writer);
    }
    let error = writers[0].commit(&progress(1, "old")).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Fenced, "{error}");
    writers[1].commit(&progress(2, "new")).await.unwrap();
    // Once fenced, always fenced; and it can be dropped.
    let write = odd_records()[0].lend(|record| writers[0].write(0, record));
    assert_eq!(write.unwrap_err().kind, KafkaErrorKind::Fenced);
    let read = read_all(&source, &topic, 0).await;
    assert_eq!(read.iter().map(|record| &record.value).collect::<Vec<_>>(), [&odd_records()[1].value]);
}

#[tokio::test]
async fn a_writer_fenced_while_it_writes_says_so() {
    let settings = real!();
    let (topic, id) = (unique("fenced-flush"), unique("restore"));
    let target = target(&settings);
    create(&target, &topic, 1, &[]).await;
    let mut old = open(&target, &topic, &id, Delivery::ExactlyOnce).await;
    queue(&mut *old, 0, &odd_records()[..1]).await;
    old.flush().await.unwrap();
    let _new = open(&target, &topic, &id, Delivery::ExactlyOnce).await;
    queue(&mut *old, 0, &odd_records()[..1]).await;
    let error = old.flush().await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Fenced, "{error}");
}

#[tokio::test]
async fn an_offset_that_the_log_does_not_hold_is_an_error() {
    let settings = real!();
    let topic = unique("range");
    let (source, target) = (source(&settings, "range"), target(&settings));
    create(&target, &topic, 1, &[]).await;
    write(&target, &topic, 0, &odd_records()).await;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(4)).unwrap();
    admin(&settings).delete_records(&list, &AdminOptions::new()).await.unwrap();
    let partition = TopicPartition::new(&topic, 0);
    assert_eq!(settled(&source, &partition).await, OffsetRange { log_start: 4, end: 14, high_watermark: 14 });
    for offset in [0, 3, 15, 1_000_000] {
        let mut reader = source.open(&partition, offset).await.unwrap();
        let error = reader.fetch(LONG).await.unwrap_err();
        assert_eq!(error.kind, KafkaErrorKind::OffsetOutOfRange, "{offset}: {error}");
        assert_eq!(reader.position(), offset);
        assert_eq!(reader.fetch(LONG).await.unwrap_err().kind, KafkaErrorKind::OffsetOutOfRange, "it stays");
    }
    let mut reader = source.open(&partition, 4).await.unwrap();
    assert_eq!(read_to(&mut *reader, 14).await, at(4, &odd_records()[4..]));
}

#[tokio::test]
async fn a_topic_created_again_has_another_id() {
    let settings = real!();
    let topic = unique("again");
    let (source, target) = (source(&settings, "again"), target(&settings));
    create(&target, &topic, 2, &[("retention.ms", "-1"), ("cleanup.policy", "compact")]).await;
    let names = [topic.clone(), unique("absent")];
    let mut first = source.describe(&names).await.unwrap();
    assert_eq!(first.keys().collect::<Vec<_>>(), [&topic]);
    let first = first.remove(&topic).unwrap().unwrap();
    assert_eq!(first.partitions, 2);
    let own = source.configs(&topic).await.unwrap().unwrap();
    assert_eq!(own, BTreeMap::from([("retention.ms", "-1"), ("cleanup.policy", "compact")].map(|(k, v)| (k.to_owned(), v.to_owned()))));

    let new = NewTopic { name: topic.clone(), partitions: 1, replication_factor: Some(1), configs: BTreeMap::new() };
    assert_eq!(target.create(&new).await.unwrap_err().kind, KafkaErrorKind::TopicExists);
    admin(&settings).delete_topics(&[&topic], &AdminOptions::new()).await.unwrap();
    while !source.describe(&names).await.unwrap().is_empty() {}
    target.create(&new).await.unwrap();
    let second = target.describe(&topic).await.unwrap().unwrap();
    assert_eq!(second.partitions, 1);
    assert_eq!(second.configs["retention.ms"], "604800000");
    assert!(second.id.is_some() && second.id != first.id);
    let read_as_text: crate::TopicId = second.id.as_ref().unwrap().to_string().parse().unwrap();
    assert_eq!(Some(read_as_text), second.id);
}

#[tokio::test]
async fn a_topic_created_again_is_read_with_the_same_client() {
    let settings = real!();
    let topic = unique("reread");
    let (source, target) = (source(&settings, "reread"), target(&settings));
    let records = odd_records();
    for part in [&records[..5], &records[5..8]] {
        create(&target, &topic, 1, &[]).await;
        write(&target, &topic, 0, part).await;
        assert_eq!(read_all(&source, &topic, 0).await, at(0, part));
        admin(&settings).delete_topics(&[&topic], &AdminOptions::new()).await.unwrap();
        while !source.describe(std::slice::from_ref(&topic)).await.unwrap().is_empty() {}
    }
}

#[tokio::test]
async fn what_cannot_be_created_is_explained() {
    let settings = real!();
    let configs = BTreeMap::from([("retention.ms".to_owned(), "soon".to_owned())]);
    let new = NewTopic { name: unique("bad"), partitions: 1, replication_factor: None, configs };
    let error = target(&settings).create(&new).await.unwrap_err();
    assert!(error.to_string().contains("retention.ms"), "{error}");
    let new = NewTopic { name: unique("bad"), partitions: 1, replication_factor: Some(100), configs: BTreeMap::new() };
    let error = target(&settings).create(&new).await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("replication factor"), "{error}");
}

#[tokio::test]
async fn a_group_with_members_refuses_commits() {
    let settings = real!();
    let (topic, group) = (unique("members"), unique("group"));
    let (source, target) = (source(&settings, &group), target(&settings));
    create(&target, &topic, 1, &[]).await;
    let partition = TopicPartition::new(&topic, 0);
    let metadata = "m".repeat(4000) + "ü\"";
    source.commit(&partition, &progress(3, &metadata)).await.unwrap();
    source.commit(&partition, &progress(2, "")).await.unwrap();
    assert_eq!(source.committed(std::slice::from_ref(&partition)).await.unwrap()[&partition], progress(2, ""));
    source.commit(&partition, &progress(3, &metadata)).await.unwrap();

    let member: BaseConsumer = plain(&settings, &[("group.id", &group)]).create().unwrap();
    member.subscribe(&[&topic]).unwrap();
    while member.assignment().unwrap().count() == 0 {
        member.poll(Duration::from_millis(100));
    }
    let error = source.commit(&partition, &progress(4, "x")).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::GroupInUse, "{error}");
    assert!(error.to_string().contains(&group) && error.what.contains("Stop its members"), "{error}");
    assert_eq!(source.committed(std::slice::from_ref(&partition)).await.unwrap()[&partition], progress(3, &metadata));
    drop(member);
    source.commit(&partition, &progress(4, "x")).await.unwrap();
}

#[tokio::test]
async fn records_that_the_topic_refuses_are_refused() {
    let settings = real!();
    let topic = unique("small");
    let (source, target) = (source(&settings, "small"), target(&settings));
    create(&target, &topic, 1, &[("max.message.bytes", "20000"), ("message.timestamp.before.max.ms", "3600000")]).await;
    let fits: Vec<Owned> = (0..50).map(|n| Owned::new(now(), None, Some(&random(n, 15_000)))).collect();
    let too_large = Owned::new(now(), None, Some(&random(99, 30_000)));
    let too_old = Owned::new(1, None, None);
    for (delivery, refused) in [(Delivery::ExactlyOnce, &too_large), (Delivery::ExactlyOnce, &too_old), (Delivery::AtLeastOnce, &too_large)]
    {
        let mut writer = open(&target, &topic, &unique("restore"), delivery).await;
        queue(&mut *writer, 0, std::slice::from_ref(refused)).await;
        let error = writer.flush().await.unwrap_err();
        let kind = if *refused == too_old { KafkaErrorKind::RecordRefused } else { KafkaErrorKind::RecordTooLarge };
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().starts_with(&format!("{topic}/0: ")), "{error}");
    }
    // Many that fit individually: no batch of them is too large.
    write(&target, &topic, 0, &fits).await;
    let read = read_all(&source, &topic, 0).await;
    assert_eq!(read.iter().map(|record| &record.value).collect::<Vec<_>>(), fits.iter().map(|record| &record.value).collect::<Vec<_>>());
}

/// Bytes that do not compress.
fn random(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(|_| next()).collect()
}

#[tokio::test]
async fn timestamps_that_the_broker_sets_are_known_as_such() {
    let settings = real!();
    let topic = unique("append-time");
    let (source, target) = (source(&settings, "append-time"), target(&settings));
    create(&target, &topic, 1, &[("message.timestamp.type", "LogAppendTime")]).await;
    let before = now();
    write(&target, &topic, 0, &odd_records()[..2]).await;
    let read = read_all(&source, &topic, 0).await;
    assert!(read.iter().all(|record| record.timestamp_type == TimestampType::LogAppendTime && record.timestamp >= before), "{read:?}");
}

#[tokio::test]
async fn a_full_queue_is_waited_for_and_a_larger_record_still_passes() {
    let settings = real!();
    let topic = unique("queue");
    let target = crate::RdKafkaTarget::connect(&settings, 100_000).unwrap();
    create(&target, &topic, 1, &[]).await;
    let records: Vec<Owned> = (0..2000).map(|n| Owned::new(now(), None, Some(&random(n, 1000)))).chain(odd_records()).collect();
    let mut writer = open(&target, &topic, &unique("restore"), Delivery::AtLeastOnce).await;
    let full =
        records.iter().take(200).map(|record| record.lend(|record| writer.write(0, record)).unwrap()).position(|q| q == Queued::Full);
    // A quarter of it is a batch, and a partition may have one and three quarters.
    assert!(full.is_some_and(|taken| (40..50).contains(&taken)), "{full:?}");
    writer.flush().await.unwrap();
    drop(writer);
    let mut writer = open(&target, &topic, &unique("restore"), Delivery::AtLeastOnce).await;
    queue(&mut *writer, 0, &records).await;
    let written = writer.flush().await.unwrap();
    assert_eq!(written.iter().map(|run| run.count).sum::<i64>(), records.len() as i64);
    assert_eq!(writer.progress().await.unwrap(), None);
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_said_to_be_unknown() {
    let settings = real!();
    let (source, target) = (source(&settings, "absent"), target(&settings));
    let name = WriterName { topic: unique("absent"), id: unique("restore") };
    let error = target.open(&name, Delivery::ExactlyOnce).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::UnknownTopic, "{error}");
    let partition = TopicPartition::new(&name.topic, 0);
    assert!(source.offsets(std::slice::from_ref(&partition)).await.unwrap().is_empty());
    assert!(source.committed(std::slice::from_ref(&partition)).await.unwrap().is_empty());
}
