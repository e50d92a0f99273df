use archive::catalog::names;
use store::testing::MemoryStore;

use super::parts::{Parts, hex};
use super::{expect_same, read_segment, wait_for, writer};

/// A segment built from an input is refused, or reads the same from the start, from the middle, and
/// after it is written again.
pub fn segment(input: &[u8]) {
    let Some(parts) = Parts::of(input) else { return };
    let object = parts.object();
    let store = MemoryStore::new();
    if parts.has_sidecar() {
        store.overwrite(&names::sidecar("segment"), hex(&object));
    }
    store.overwrite("segment", object);
    wait_for(async {
        let (mut offsets, mut again) = (Vec::new(), writer(0, parts.compression()));
        let read = read_segment(&store, "segment", parts.workers(), None, |record| {
            offsets.push(record.offset);
            again.append(record).expect("what was read can be written");
        });
        let Ok(records) = read.await else { return };
        let Some(last) = offsets.last() else { return };
        let middle = offsets.len() / 2;
        let rest = read_segment(&store, "segment", parts.workers(), Some(offsets[middle]), |_| {}).await;
        assert_eq!(rest.expect("what was read can be read again"), records[middle..], "read from the middle");
        expect_same(again, last + 1, &records).await;
    });
}
