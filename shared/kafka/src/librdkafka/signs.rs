//! What librdkafka's debug lines reveal: see `probe.rs`, and `changes.rs` on OffsetDelete.

/// The first version of Fetch with compact lengths.
const FLEXIBLE: i32 = 12;

/// What librdkafka's debug lines reveal about the reading of a partition, and about brokers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Signs {
    /// The version of the last Fetch request.
    pub(crate) fetch_version: Option<i32>,
    /// A record of an old format seemed to end after the end of the response.
    pub(crate) is_misread: bool,
    /// A broker supports OffsetDelete.
    pub(crate) has_offset_delete: bool,
}

impl Signs {
    /// Learns from a line of librdkafka's debug contexts `protocol` and `feature`.
    pub(super) fn learn(&mut self, facility: &str, line: &str) {
        match facility {
            "SEND" => {
                let version = line.split_once("Sent FetchRequest (v").and_then(|(_, rest)| rest.split(',').next()?.parse().ok());
                self.fetch_version = version.or(self.fetch_version);
            }
            "APIVERSION" => self.has_offset_delete |= line.contains("ApiKey ") && line.contains(" (47) Versions "),
            "PROTOUFLOW" => self.is_misread |= line.contains("for Fetch v") && line.contains("rd_kafka_msgset_reader_msg_v0_1"),
            _ => {}
        }
    }

    /// Whether records of old formats are read correctly; `None` if not known yet.
    pub(super) fn are_right(self) -> Option<bool> {
        self.fetch_version.map(|version| version < FLEXIBLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of librdkafka 2.12.1.
    #[test]
    fn debug_lines_tell_how_a_partition_is_read() {
        let mut signs = Signs::default();
        signs.learn("SEND", "[thrd:h:1/1]: h:1/1: Sent OffsetFetchRequest (v7, 90 bytes @ 0, CorrId 4)");
        signs.learn("SEND", "[thrd:h:1/1]: h:1/1: Sent MetadataRequest (v12, 52 bytes @ 0, CorrId 3)");
        assert_eq!(signs.are_right(), None);
        signs.learn("SEND", "[thrd:h:1/1]: h:1/1: Sent FetchRequest (v11, 97 bytes @ 0, CorrId 5)");
        assert_eq!(signs.are_right(), Some(true));
        signs.learn("SEND", "[thrd:h:1/1]: h:1/1: Sent FetchRequest (v16, 97 bytes @ 0, CorrId 6)");
        assert_eq!(signs.are_right(), Some(false));
        assert!(!signs.has_offset_delete);
        signs.learn("APIVERSION", "[thrd:h:1/bootstrap]: h:1/bootstrap:   ApiKey OffsetDeleteRequest (47) Versions 0..0");
        assert!(signs.has_offset_delete);
        let underflow = |function: &str| {
            format!(
                "[thrd:h:1/1]: h:1/1: Protocol read buffer underflow for Fetch v16 at 102/116 ({function}:617): expected 268435454 bytes > 14 \
                 remaining bytes (truncated response from broker (ok))"
            )
        };
        signs.learn("PROTOUFLOW", &underflow("rd_kafka_msgset_reader_v2"));
        assert!(!signs.is_misread, "batches are cut off where a response ends");
        signs.learn("PROTOUFLOW", &underflow("rd_kafka_msgset_reader_msg_v0_1"));
        assert!(signs.is_misread);
    }
}
