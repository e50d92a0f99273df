//! Variable-length integers of the Kafka protocol: zigzag, then seven bits a byte, lowest first.

/// Bytes that [`put`] writes for `value`.
pub(super) fn len(value: i64) -> usize {
    (70 - (zigzag(value) | 1).leading_zeros() as usize) / 7
}

/// Appends `value`.
pub(super) fn put(out: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    let mut bytes = [0; 10];
    let mut len = 0;
    while rest >= 0x80 {
        bytes[len] = rest as u8 | 0x80;
        rest >>= 7;
        len += 1;
    }
    bytes[len] = rest as u8;
    out.extend_from_slice(&bytes[..=len]);
}

/// Takes a value from the front of `bytes`; `None` if there is no complete one, or it has more than
/// 64 bits.
pub(super) fn get(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for (i, &byte) in bytes.iter().take(10).enumerate() {
        if i == 9 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            *bytes = &bytes[i + 1..];
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the protocol buffers encoding guide, which Kafka's varints follow.
    const KNOWN: [(i64, &[u8]); 8] = [
        (0, &[0x00]),
        (-1, &[0x01]),
        (1, &[0x02]),
        (-64, &[0x7f]),
        (64, &[0x80, 0x01]),
        (i32::MAX as i64, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
        (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
    ];

    #[test]
    fn known_values_have_their_known_bytes() {
        for (value, bytes) in KNOWN {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(out, bytes, "{value}");
            assert_eq!(len(value), bytes.len(), "{value}");
            let mut rest = bytes;
            assert_eq!(get(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn lengths_agree_at_every_power_of_two() {
        for shift in 0..63 {
            for value in [1_i64 << shift, (1_i64 << shift) - 1, -(1_i64 << shift)] {
                let mut out = Vec::new();
                put(&mut out, value);
                assert_eq!(len(value), out.len(), "{value}");
            }
        }
    }

    #[test]
    fn a_cut_or_endless_value_is_none() {
        assert_eq!(get(&mut [].as_slice()), None);
        assert_eq!(get(&mut [0x80].as_slice()), None);
        assert_eq!(get(&mut [0xff; 10].as_slice()), None);
        assert_eq!(get(&mut [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02].as_slice()), None);
    }
}
