use crate::catalog::Packing;

/// COMPRESSION: `gzip:3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Level 1 to 12.
    Gzip(u8),
    /// Level 1 to 19.
    Zstd(u8),
}

impl Compression {
    /// Memory of one compressor's tables in bytes, measured for each level from 1 and rounded up.
    pub fn table_bytes(self) -> usize {
        /// libdeflate's allocations, in KiB.
        const GZIP: [usize; 12] = [199, 653, 653, 653, 653, 653, 653, 653, 653, 8801, 8801, 8801];
        /// zstd's, in KiB, with the window of a group.
        #[rustfmt::skip] // a level, a number
        const ZSTD: [usize; 19] = [
            570, 762, 1274, 2554, 3066, 3066, 5626, 5626, 10_746, 10_746, 10_746, 10_746, 16_890, 16_890, 16_890, 17_035, 17_035, 17_665, 17_665,
        ];
        let (table, level) = match self {
            Self::Gzip(level) => (&GZIP[..], level),
            Self::Zstd(level) => (&ZSTD[..], level),
        };
        table[usize::from(level).clamp(1, table.len()) - 1] << 10
    }
}

impl Packing {
    /// The wanted level if the wanted codec is that of this packing, otherwise this packing's
    /// default.
    pub fn compression(self, wanted: Compression) -> Compression {
        match (self, wanted) {
            (Self::Gzip, Compression::Gzip(_)) | (Self::Zstd, Compression::Zstd(_)) => wanted,
            (Self::Gzip, Compression::Zstd(_)) => Compression::Gzip(3),
            (Self::Zstd, Compression::Gzip(_)) => Compression::Zstd(3),
        }
    }
}

impl From<Compression> for Packing {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::Gzip(_) => Self::Gzip,
            Compression::Zstd(_) => Self::Zstd,
        }
    }
}
