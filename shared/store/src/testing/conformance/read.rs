use std::ops::Range;

use super::{Outcome, Room, ensure, expect, small, text};
use crate::{Body, StoreErrorKind};

pub(super) async fn a_missing_object_is_not_found(room: &Room) -> Outcome {
    room.put("folder/object").await?;
    for name in ["object", "folder", "folder/objec", "folder/object2", "folder/object/below"] {
        let name = room.name(name);
        expect(StoreErrorKind::NotFound, room.store.get(&name).await, &format!("reading {name}"))?;
        for range in [0..1, 5..9, 3..3] {
            let doing = format!("reading {range:?} of {name}");
            expect(StoreErrorKind::NotFound, room.store.get_range(&name, range).await, &doing)?;
        }
    }
    Ok(())
}

/// Ranges of ten bytes, and their results.
const RANGES: [(Range<u64>, &str); 10] = [
    (0..10, "0123456789"),
    (0..1, "0"),
    (3..7, "3456"),
    (9..10, "9"),
    (7..100, "789"),
    (0..u64::MAX, "0123456789"),
    (4..4, ""),
    (10..12, ""),
    (10..10, ""),
    (5_000_000_000..5_000_000_001, ""),
];

pub(super) async fn ranges_of_an_object(room: &Room) -> Outcome {
    let name = room.name("digits");
    let version = room.store.create(&name, small("0123456789")).await.map_err(text)?;
    for (range, bytes) in RANGES {
        let part = room.store.get_range(&name, range.clone()).await.map_err(|error| format!("{range:?}: {}", text(error)))?;
        ensure!(part.bytes == bytes, "{range:?} gave {:?}", part.bytes);
        ensure!(part.size == 10 && part.version == version, "{range:?} told of {} bytes, {:?}", part.size, part.version);
    }
    Ok(())
}

pub(super) async fn ranges_of_an_empty_object(room: &Room) -> Outcome {
    let name = room.name("empty");
    room.store.create(&name, Body::new()).await.map_err(text)?;
    for range in [0..0, 0..1, 0..u64::MAX, 3..5] {
        let part = room.store.get_range(&name, range.clone()).await.map_err(|error| format!("{range:?}: {}", text(error)))?;
        ensure!(part.bytes.is_empty() && part.size == 0, "{range:?} gave {part:?}");
    }
    Ok(())
}
