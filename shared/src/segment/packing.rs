use serde::{Deserialize, Serialize};

use crate::config::Compression;

/// How a segment is packed: which codec its members have, and so how its name ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// `.tar.gz`.
    Gzip,
    /// `.tar.zst`.
    Zstd,
}

impl Packing {
    /// How names end, without the leading dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Gzip => "tar.gz",
            Self::Zstd => "tar.zst",
        }
    }

    /// The wanted level where the wanted codec is this packing's, else this packing's default.
    pub fn compression(self, wanted: Compression) -> Compression {
        match (self, wanted) {
            (Self::Gzip, Compression::Gzip(_)) | (Self::Zstd, Compression::Zstd(_)) => wanted,
            (Self::Gzip, Compression::Zstd(_)) => Compression::Gzip(3),
            (Self::Zstd, Compression::Gzip(_)) => Compression::Zstd(3),
        }
    }

    /// The packing of a name that ends so.
    pub fn from_extension(extension: &str) -> Option<Self> {
        [Self::Gzip, Self::Zstd].into_iter().find(|packing| packing.extension() == extension)
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
