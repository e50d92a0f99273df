use serde::{Deserialize, Serialize};

/// The codec of a segment's members, which determines the suffix of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// `.tar.gz`.
    Gzip,
    /// `.tar.zst`.
    Zstd,
}

impl Packing {
    /// The suffix of names, without the leading dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Gzip => "tar.gz",
            Self::Zstd => "tar.zst",
        }
    }

    /// The packing of a name with this suffix.
    pub fn from_extension(extension: &str) -> Option<Self> {
        [Self::Gzip, Self::Zstd].into_iter().find(|packing| packing.extension() == extension)
    }
}
