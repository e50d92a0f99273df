use crate::catalog::Packing;

/// COMPRESSION: `gzip:3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Level 1 to 12.
    Gzip(u8),
    /// Level 1 to 19.
    Zstd(u8),
}

impl Packing {
    /// The wanted level where the wanted codec is this packing's, else this packing's default.
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
