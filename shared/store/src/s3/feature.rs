//! Features that an S3-compatible store may lack: which header of a request it refused, and what to
//! do about it.

pub(super) const IF_NONE_MATCH: &str = "If-None-Match";
pub(super) const IF_MATCH: &str = "If-Match";
pub(super) const CHECKSUM: &str = "x-amz-checksum-crc32c";
pub(super) const CHECKSUM_TYPE: &str = "x-amz-checksum-type";
pub(super) const CHECKSUM_ALGORITHM: &str = "x-amz-checksum-algorithm";
pub(super) const ENCRYPTION: &str = "x-amz-server-side-encryption";
pub(super) const STORAGE_CLASS: &str = "x-amz-storage-class";

/// Whether a response means that the store does not support the request. A retry cannot change
/// that.
pub(super) fn is_lacking(code: &str, status: u16) -> bool {
    matches!(code, "NotImplemented" | "FeatureNotSupported" | "UnsupportedOperation" | "UnsupportedHeader") || matches!(status, 501 | 505)
}

/// What the store lacks: the header that its response names, otherwise those headers of the request
/// that not every store supports.
pub(super) fn lacking(special: &[&'static str], answer: &[u8]) -> String {
    let (header, message) = (element(answer, "Header"), element(answer, "Message"));
    let named = [&header, &message].into_iter().flatten().find_map(|text| named(text, special));
    let lacks = match (named, header) {
        (Some(header), _) => format!("the header {header}: {}", remedy(header)),
        (None, Some(header)) => format!("the header {header:?}: {}", remedy("")),
        (None, None) if special.is_empty() => format!("the request itself: {}", remedy("")),
        (None, None) => {
            let each: Vec<String> = special.iter().map(|header| format!("{header} ({})", remedy(header))).collect();
            format!("one of the headers of the request: {}", each.join("; "))
        }
    };
    lacks + &message.map_or_else(String::new, |said| format!("; its response: {said:?}"))
}

fn remedy(header: &str) -> &'static str {
    match header {
        IF_NONE_MATCH | IF_MATCH => "conditional requests keep concurrent runs apart, so a store without them cannot be used",
        CHECKSUM | CHECKSUM_TYPE | CHECKSUM_ALGORITHM => {
            "a checksum, by which the store refuses an upload that was damaged in transit; use a version of the \
             server that supports CRC32C"
        }
        ENCRYPTION => "encryption with a KMS key; remove S3_SSE_KMS_KEY_ID",
        STORAGE_CLASS => "a storage class; remove S3_STORAGE_CLASS, or name a class that this store has",
        _ => "use a newer version of the server",
    }
}

/// An element of an error document, cut to a length that fits a message.
fn element(document: &[u8], name: &str) -> Option<String> {
    const LONGEST: usize = 200;
    let text = std::str::from_utf8(document).ok()?;
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.chars().take(LONGEST).collect())
}

/// Which of these headers a text names.
fn named(text: &str, headers: &[&'static str]) -> Option<&'static str> {
    let words: Vec<&str> = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').collect();
    headers.iter().copied().find(|header| words.iter().any(|word| word.eq_ignore_ascii_case(header)))
}
