//! Which partition of the target a record goes to.

use archive::catalog::PartitionStrategy;

use crate::identity::Begun;

/// Chooses partitions. The same record always gets the same one, so a restore that is started again
/// repeats itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chooser {
    strategy: PartitionStrategy,
    source: i32,
    count: i32,
}

impl Chooser {
    /// For the records of partition `source`, as the restore began: partitions that its target got
    /// later are not used.
    pub(crate) fn new(restore: &Begun, source: i32) -> Self {
        Self { strategy: restore.identity.choice.strategy, source, count: restore.binding.partitions.max(1) }
    }

    /// The partition for a record with this key; `position` distinguishes it from the others of its
    /// partition.
    pub(crate) fn choose(self, position: i64, key: Option<&[u8]>) -> i32 {
        match (self.strategy, key) {
            (PartitionStrategy::Same, _) => self.source,
            // Like Kafka's own producer: murmur2 of the key, without the sign bit.
            (PartitionStrategy::Key, Some(key)) => (murmur2(key) & 0x7fff_ffff).cast_signed() % self.count,
            _ => {
                let spread = mix(position.cast_unsigned() ^ (u64::from(self.source.cast_unsigned()) << 48));
                i32::try_from(spread % u64::from(self.count.cast_unsigned())).unwrap_or(0)
            }
        }
    }
}

/// The finaliser of SplitMix64: distributes neighbouring numbers evenly.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// MurmurHash2 with the seed of `org.apache.kafka.common.utils.Utils.murmur2`.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0u32, |tail, byte| (tail << 8) | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of Kafka's own UtilsTest.testMurmur2.
    #[test]
    fn murmur2_agrees_with_kafka() {
        for (text, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), hash, "{text}");
        }
    }

    #[test]
    fn random_is_even_and_repeats_itself() {
        let chooser = Chooser { strategy: PartitionStrategy::Random, source: 2, count: 5 };
        let mut counts = [0; 5];
        for offset in 0..10_000 {
            counts[usize::try_from(chooser.choose(offset, None)).unwrap_or_default()] += 1;
            assert_eq!(chooser.choose(offset, None), chooser.choose(offset, Some(b"key")));
        }
        assert!(counts.iter().all(|count| (1_800..2_200).contains(count)), "{counts:?}");
    }
}
