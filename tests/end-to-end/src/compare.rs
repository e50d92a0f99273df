//! Source and copy, record for record.

use std::collections::BTreeMap;

use crate::record::Record;

/// Asserts that both have the same records in the same order, partition by partition. Offsets are
/// not compared: a copy has its own.
///
/// # Panics
/// At the first difference.
#[track_caller]
pub fn assert_identical(source: &[Record], copy: &[Record]) {
    let (source, copy) = (by_partition(source), by_partition(copy));
    for partition in source.keys().chain(copy.keys()) {
        let [ours, theirs] = [&source, &copy].map(|records| records.get(partition).map_or(&[][..], Vec::as_slice));
        if let Some(at) = (0..ours.len().min(theirs.len())).find(|&at| ours[at] != theirs[at]) {
            panic!("partition {partition}, record {at} of {}:\nsource {:?}\ncopy   {:?}", ours.len(), ours[at], theirs[at]);
        }
        assert_eq!(
            ours.len(),
            theirs.len(),
            "partition {partition}: records in source and copy; the first {} are equal",
            ours.len().min(theirs.len())
        );
    }
}

fn by_partition(records: &[Record]) -> BTreeMap<i32, Vec<Record>> {
    let mut partitions: BTreeMap<i32, Vec<Record>> = BTreeMap::new();
    for record in records {
        partitions.entry(record.partition).or_default().push(Record { offset: None, ..record.clone() });
    }
    partitions
}

#[cfg(test)]
mod tests {
    use super::assert_identical;
    use crate::record::Record;

    fn log() -> Vec<Record> {
        vec![Record::new(0, 1).key("a"), Record::new(1, 2).value(""), Record::new(0, 3)]
    }

    #[test]
    fn offsets_and_the_order_between_partitions_do_not_count() {
        let mut copy = log();
        copy.swap(0, 1);
        copy[0].offset = Some(7);
        assert_identical(&log(), &copy);
    }

    #[test]
    #[should_panic(expected = "partition 0, record 0 of 2")]
    fn the_order_within_a_partition_counts() {
        let mut copy = log();
        copy.swap(0, 2);
        assert_identical(&log(), &copy);
    }

    #[test]
    #[should_panic(expected = "partition 1: records in source and copy")]
    fn a_lost_record_counts() {
        let mut copy = log();
        copy.remove(1);
        assert_identical(&log(), &copy);
    }

    #[test]
    #[should_panic(expected = "partition 2: records in source and copy")]
    fn a_partition_too_many_counts() {
        let mut copy = log();
        copy.push(Record::new(2, 1));
        assert_identical(&log(), &copy);
    }

    #[test]
    #[should_panic(expected = "partition 1, record 0 of 1")]
    fn null_is_not_empty() {
        let mut copy = log();
        copy[1].value = None;
        assert_identical(&log(), &copy);
    }
}
