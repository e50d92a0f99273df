//! Headers: read as in the record batch, and written with any bytes as key.

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use kernel::record::Header;
use rdkafka_sys::{rd_kafka_header_add, rd_kafka_headers_destroy, rd_kafka_headers_new, rd_kafka_headers_t};

/// Headers that do not follow the record format.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Appends the headers in `raw` to `into`: a count, and for each header the lengths and bytes of
/// key and value. All numbers are zigzag varints; a null value has length -1 (Kafka protocol guide,
/// record batch format v2).
pub(super) fn parse<'a>(mut raw: &'a [u8], into: &mut Vec<Header<'a>>) -> Result<(), Malformed> {
    // Records of the formats before v2 have no headers, not even a count.
    if raw.is_empty() {
        return Ok(());
    }
    for _ in 0..length(&mut raw)?.ok_or(Malformed)? {
        let key = length(&mut raw)?.ok_or(Malformed)?;
        let key = bytes(&mut raw, key)?;
        let value = length(&mut raw)?.map(|length| bytes(&mut raw, length)).transpose()?;
        into.push(Header { key, value });
    }
    if raw.is_empty() { Ok(()) } else { Err(Malformed) }
}

/// A length; -1 is none.
fn length(raw: &mut &[u8]) -> Result<Option<usize>, Malformed> {
    let mut zigzag = 0_u64;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = raw.split_first().ok_or(Malformed)?;
        *raw = rest;
        zigzag |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return match zigzag {
                1 => Ok(None),
                // Even numbers are not negative.
                _ if zigzag.is_multiple_of(2) => usize::try_from(zigzag / 2).map(Some).map_err(|_| Malformed),
                _ => Err(Malformed),
            };
        }
    }
    Err(Malformed)
}

fn bytes<'a>(raw: &mut &'a [u8], length: usize) -> Result<&'a [u8], Malformed> {
    let (bytes, rest) = raw.split_at_checked(length).ok_or(Malformed)?;
    *raw = rest;
    Ok(bytes)
}

/// A header list for a record to be sent.
pub(super) struct Headers(NonNull<rd_kafka_headers_t>);

impl Headers {
    /// A copy of `headers`.
    pub(super) fn new(headers: &[Header<'_>]) -> Self {
        // SAFETY: no pointers; the new list belongs to this value.
        let list = NonNull::new(unsafe { rd_kafka_headers_new(headers.len()) }).expect("librdkafka allocates or aborts");
        for header in headers {
            let value = header.value.map_or(ptr::null(), |value| value.as_ptr().cast::<c_void>());
            let size = header.value.map_or(0, <[u8]>::len);
            // SAFETY: a valid list; pointers with their sizes (a slice has at most isize::MAX
            // bytes), which the call copies.
            unsafe {
                rd_kafka_header_add(list.as_ptr(), header.key.as_ptr().cast(), header.key.len() as isize, value, size as isize);
            }
        }
        Self(list)
    }

    pub(super) fn as_ptr(&self) -> *mut rd_kafka_headers_t {
        self.0.as_ptr()
    }

    /// Gives up ownership of the list, to a message that takes it.
    pub(super) fn release(self) {
        std::mem::forget(self);
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        // SAFETY: owned, and destroyed once; `release` forgets the value.
        unsafe { rd_kafka_headers_destroy(self.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(raw: &[u8]) -> Result<Vec<Header<'_>>, Malformed> {
        let mut headers = Vec::new();
        parse(raw, &mut headers).map(|()| headers)
    }

    #[test]
    fn any_bytes_are_read() {
        assert_eq!(parsed(b""), Ok(vec![]));
        assert_eq!(parsed(b"\x00"), Ok(vec![]));
        let header = |key: &'static [u8], value| Header { key, value };
        assert_eq!(parsed(b"\x04\x02k\x04vv\x00\x01"), Ok(vec![header(b"k", Some(b"vv")), header(b"", None)]));
        assert_eq!(parsed(b"\x02\x06a\0\xff\x00"), Ok(vec![header(b"a\0\xff", Some(b""))]));
        // A value of 100 bytes: its length has two.
        let long = [b"\x02\x00\xc8\x01".as_slice(), &[7; 100]].concat();
        assert_eq!(parsed(&long), Ok(vec![Header { key: b"", value: Some(&[7; 100]) }]));
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_malformed() {
        let whole = b"\x04\x02k\x04vv\x00\x01";
        for end in 1..whole.len() {
            assert_eq!(parsed(&whole[..end]), Err(Malformed), "{end}");
        }
        assert_eq!(parsed(&[whole.as_slice(), b"\0"].concat()), Err(Malformed), "something behind");
        assert_eq!(parsed(b"\x01"), Err(Malformed), "a count of -1");
        assert_eq!(parsed(b"\x02\x01\x00"), Err(Malformed), "a null key");
        assert_eq!(parsed(b"\x02\x00\x03"), Err(Malformed), "a value of -2 bytes");
        assert_eq!(parsed(b"\xff\xff\xff\xff\xff\xff"), Err(Malformed), "a number without end");
        assert_eq!(parsed(b"\xfe\xff\xff\xff\x0f"), Err(Malformed), "2 billion headers in no bytes");
    }
}
