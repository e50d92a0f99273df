//! `local-runner show`: the manifest and the records of a segment.

use std::borrow::Cow;

use anyhow::Result;
use archive::segment::{Manifest, ReadAhead, ReadBudget, ReadOptions, SegmentReader};
use kernel::record::Record;
use serde_json::{Map, Value, json};

use crate::cli::BucketArgs;
use crate::output::{Output, bytes, counted, table, time};
use crate::setup::{self, Screen};

/// From this number of records on, the next bytes are fetched ahead. Fewer are in the first
/// request.
const MANY: u64 = 10_000;
/// Bytes to fetch ahead.
const AHEAD: u64 = 64 << 20;

/// Shows a segment's manifest, and its first records.
pub(crate) async fn run(args: &BucketArgs, object: &str, records: u64, output: &Output) -> Result<bool> {
    let store = setup::bucket(args, Screen::plain(output)).await?.store;
    let mut reader = SegmentReader::open(store, &in_bucket(object), ReadOptions::default()).await?;
    output.result(&reader.manifest().clone(), manifest_table);
    if records > MANY {
        reader.read_ahead(ReadAhead::new(ReadBudget::new(AHEAD)));
    }
    let mut left = records;
    while left > 0 && !output.is_closed() {
        let Some(group) = reader.next_group().await? else { break };
        let mut records = group.records();
        while left > 0
            && let Some(record) = records.next()?
        {
            output.data(&line(&record));
            left -= 1;
        }
    }
    Ok(true)
}

/// The name in the bucket. The folder of the first generation has no number.
fn in_bucket(object: &str) -> Cow<'_, str> {
    match object.split_once("@1/") {
        Some((topic, rest)) if !topic.is_empty() && !topic.contains(['@', '/']) => Cow::Owned(format!("{topic}/{rest}")),
        _ => Cow::Borrowed(object),
    }
}

/// A record as JSON. Bytes that are not UTF-8 are in hexadecimal, under another name.
fn line(record: &Record<'_>) -> Value {
    let mut line = Map::new();
    line.insert("offset".into(), record.offset.into());
    line.insert("timestamp".into(), record.timestamp.into());
    line.insert("timestamp_type".into(), json!(record.timestamp_type));
    put(&mut line, "key", record.key);
    put(&mut line, "value", record.value);
    let headers = record.headers.iter().map(|header| {
        let mut one = Map::new();
        put(&mut one, "key", Some(header.key));
        put(&mut one, "value", header.value);
        Value::Object(one)
    });
    line.insert("headers".into(), headers.collect());
    Value::Object(line)
}

fn put(line: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => line.insert(name.into(), Value::Null),
        Some((_, Ok(text))) => line.insert(name.into(), text.into()),
        Some((raw, Err(_))) => line.insert(format!("{name}_hex"), raw.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()),
    };
}

fn manifest_table(manifest: &Manifest) -> String {
    let some = |value: Option<i64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let mut rows = vec![
        ["topic".to_owned(), manifest.topic.clone()],
        ["topic id".to_owned(), manifest.topic_id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)],
        ["partition".to_owned(), manifest.partition.to_string()],
        ["covers offsets".to_owned(), format!("[{}, {})", manifest.start, manifest.next)],
        ["records".to_owned(), format!("{} (offsets {} to {})", manifest.records, some(manifest.first_offset), some(manifest.last_offset))],
        [
            "timestamps".to_owned(),
            format!("{} to {}", manifest.min_timestamp.map_or("-".into(), time), manifest.max_timestamp.map_or("-".into(), time)),
        ],
        ["log".to_owned(), format!("{} in {}", bytes(manifest.log_bytes), counted(manifest.members.len() as u64, "member"))],
        ["stored".to_owned(), bytes(manifest.members.iter().map(|member| member.stored).sum())],
        ["isolation level".to_owned(), format!("{:?}", manifest.isolation_level)],
        ["written".to_owned(), manifest.created_at.clone()],
        ["format version".to_owned(), manifest.format_version.to_string()],
    ];
    if let Some(gap) = &manifest.gap {
        rows.push(["gap".to_owned(), format!("offsets {} to {}: {:?}", gap.from, gap.to, gap.reason)]);
    }
    table(["FIELD", "VALUE"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_generation_can_be_named_with_its_number() {
        assert_eq!(in_bucket("orders@1/0/00000000000000000000.tar.gz"), "orders/0/00000000000000000000.tar.gz");
        for other in ["orders/0/00000000000000000000.tar.gz", "orders@2/0/00000000000000000000.tar.gz", "@restore/a@1/0.json"] {
            assert_eq!(in_bucket(other), other);
        }
    }
}
