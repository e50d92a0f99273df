//! One member, compressed and decompressed in one call. Consecutive members in an object are one
//! valid gzip or zstd stream.

use std::io::{self, BufRead, Read};

use bytes::Bytes;

use super::Compression;
use crate::catalog::Packing;

/// The gzip header of every member (RFC 1952): deflate, no name, no time, no level, no operating
/// system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// How a zstd frame begins (RFC 8878).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The maximum ratio of deflate: 258 bytes for two bits.
const DEFLATE_RATIO: usize = 1032;
/// Largest window of a zstd frame that a reader accepts: 64 MiB. A frame written in one call has no
/// larger window than its content.
const ZSTD_WINDOW_LOG: u32 = 26;

/// Compresses members, one call each. It is reused: it keeps its tables and its output buffer.
pub struct Compressor {
    codec: CompressorCodec,
    out: Vec<u8>,
}

enum CompressorCodec {
    Gzip(libdeflater::Compressor),
    Zstd(Box<zstd::bulk::Compressor<'static>>),
}

impl Compressor {
    /// A compressor of this codec and level.
    pub fn new(compression: Compression) -> Self {
        let codec = match compression {
            Compression::Gzip(level) => {
                let level = libdeflater::CompressionLvl::new(level.into()).unwrap_or_default();
                CompressorCodec::Gzip(libdeflater::Compressor::new(level))
            }
            Compression::Zstd(level) => CompressorCodec::Zstd(Box::new(zstd_compressor(level).expect("zstd takes these parameters"))),
        };
        Self { codec, out: Vec::new() }
    }

    /// Memory of its tables in bytes, if the codec reports it: zstd does.
    #[cfg(test)]
    pub(super) fn table_bytes(&mut self) -> usize {
        match &mut self.codec {
            CompressorCodec::Gzip(_) => 0,
            CompressorCodec::Zstd(zstd) => zstd.context_mut().sizeof(),
        }
    }

    /// `raw` as one gzip member or zstd frame.
    pub fn compress(&mut self, raw: &[u8]) -> Bytes {
        if raw.len() > 2 * super::GROUP_BYTES {
            return self.compress_giant(raw);
        }
        let bound = self.bound(raw);
        if self.out.len() < bound {
            self.out.resize(bound, 0);
        }
        let len = self.codec.compress(raw, &mut self.out);
        Bytes::copy_from_slice(&self.out[..len])
    }

    /// Compresses a giant record into a buffer that becomes the result: never in memory twice. Zero
    /// pages that are not written to use no memory.
    fn compress_giant(&mut self, raw: &[u8]) -> Bytes {
        let mut out = vec![0; self.bound(raw)];
        let len = self.codec.compress(raw, &mut out);
        out.truncate(len);
        out.shrink_to_fit();
        out.into()
    }

    /// The maximum size of the result.
    fn bound(&mut self, raw: &[u8]) -> usize {
        match &mut self.codec {
            CompressorCodec::Gzip(gzip) => gzip.gzip_compress_bound(raw.len()),
            CompressorCodec::Zstd(_) => zstd::zstd_safe::compress_bound(raw.len()),
        }
    }
}

impl CompressorCodec {
    /// Compresses into the start of `out`, which has room for any result, and returns the size.
    fn compress(&mut self, raw: &[u8], out: &mut [u8]) -> usize {
        match self {
            Self::Gzip(gzip) => {
                let len = gzip.gzip_compress(raw, out).expect("the bound is enough for any input");
                out[..GZIP_HEADER.len()].copy_from_slice(&GZIP_HEADER);
                len
            }
            Self::Zstd(zstd) => zstd.compress_to_buffer(raw, out).expect("the bound is enough for any input"),
        }
    }
}

/// Our compression window: that of a group. Levels from 3 have a larger one for larger input, with
/// tables to match: up to 100 MB for each giant record.
const OUR_WINDOW_LOG: u32 = super::GROUP_BYTES.ilog2();
const FIRST_LEVEL_BEYOND: u8 = 3;

fn zstd_compressor(level: u8) -> io::Result<zstd::bulk::Compressor<'static>> {
    let mut zstd = zstd::bulk::Compressor::new(level.into())?;
    if level >= FIRST_LEVEL_BEYOND {
        zstd.set_parameter(zstd::zstd_safe::CParameter::WindowLog(OUR_WINDOW_LOG))?;
    }
    zstd.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true))?;
    zstd.set_parameter(zstd::zstd_safe::CParameter::ContentSizeFlag(true))?;
    Ok(zstd)
}

/// Decompresses members, one call each.
pub struct Decompressor(DecompressorCodec);

enum DecompressorCodec {
    Gzip(libdeflater::Decompressor),
    Zstd(Box<zstd::bulk::Decompressor<'static>>),
}

impl Decompressor {
    /// A decompressor of this codec.
    pub fn new(packing: Packing) -> Self {
        Self(match packing {
            Packing::Gzip => DecompressorCodec::Gzip(libdeflater::Decompressor::new()),
            Packing::Zstd => {
                let zstd = zstd::bulk::Decompressor::new().expect("a decompressor without a dictionary needs only memory");
                DecompressorCodec::Zstd(Box::new(zstd))
            }
        })
    }

    /// The `len` bytes in `stored`, one complete member. Allocates nothing for an impossible
    /// length.
    ///
    /// # Errors
    /// What is wrong with the member.
    pub fn decompress(&mut self, stored: &[u8], len: usize) -> Result<Vec<u8>, String> {
        match &mut self.0 {
            DecompressorCodec::Gzip(gzip) => {
                check_gzip_header(stored)?;
                if len / DEFLATE_RATIO > stored.len() {
                    return Err(format!("{} bytes cannot contain {len} compressed ones", stored.len()));
                }
                let mut raw = vec![0; len];
                match gzip.gzip_decompress(stored, &mut raw) {
                    Ok(actual) if actual == len => Ok(raw),
                    Ok(actual) => Err(format!("it has {actual} bytes, not {len}")),
                    Err(libdeflater::DecompressionError::InsufficientSpace) => Err(format!("it has more than {len} bytes")),
                    Err(libdeflater::DecompressionError::BadData) => Err("its gzip data or CRC-32 is wrong".to_owned()),
                }
            }
            DecompressorCodec::Zstd(zstd) => {
                if zstd::zstd_safe::get_frame_content_size(stored).ok().flatten() != Some(len as u64) {
                    return Err(format!("it is not a zstd frame of {len} bytes"));
                }
                let mut raw = Vec::with_capacity(len);
                match zstd.decompress_to_buffer(stored, &mut raw) {
                    Ok(actual) if actual == len => Ok(raw),
                    Ok(actual) => Err(format!("it has {actual} bytes, not {len}")),
                    Err(error) => Err(format!("its zstd data is invalid: {error}")),
                }
            }
        }
    }
}

/// The first member of an object.
#[derive(Debug)]
pub(super) enum FirstMember {
    /// Its content, and its size in the object.
    Whole(Vec<u8>, usize),
    /// It does not end within the given bytes.
    Cut,
}

/// The packing of an object that begins with these bytes.
pub(super) fn detect(object: &[u8]) -> Option<Packing> {
    match object {
        [a, b, ..] if [*a, *b] == GZIP_HEADER[..2] => Some(Packing::Gzip),
        [a, b, c, d, ..] if [*a, *b, *c, *d] == ZSTD_MAGIC => Some(Packing::Zstd),
        _ => None,
    }
}

/// Decompresses the first member of `object`, of unknown sizes, to at most `most` bytes.
///
/// # Errors
/// What is wrong with it.
pub(super) fn first_member(packing: Packing, object: &[u8], most: u64) -> Result<FirstMember, String> {
    let mut raw = Vec::new();
    let (read, rest) = match packing {
        Packing::Gzip => {
            check_gzip_header(object)?;
            let mut gzip = flate2::bufread::GzDecoder::new(object);
            (read_at_most(&mut gzip, &mut raw, most), gzip.into_inner().len())
        }
        Packing::Zstd => {
            let mut zstd = zstd::stream::read::Decoder::with_buffer(object).map_err(|error| error.to_string())?.single_frame();
            zstd.window_log_max(ZSTD_WINDOW_LOG).map_err(|error| error.to_string())?;
            (read_at_most(&mut zstd, &mut raw, most), zstd.into_inner().fill_buf().map_or(0, <[u8]>::len))
        }
    };
    match read {
        Ok(_) if raw.len() as u64 > most => Err(format!("it has more than {most} bytes")),
        Ok(_) => Ok(FirstMember::Whole(raw, object.len() - rest)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(FirstMember::Cut),
        Err(error) => Err(error.to_string()),
    }
}

fn read_at_most(decoder: &mut impl Read, raw: &mut Vec<u8>, most: u64) -> io::Result<usize> {
    decoder.take(most + 1).read_to_end(raw)
}

fn check_gzip_header(stored: &[u8]) -> Result<(), String> {
    if stored.starts_with(&GZIP_HEADER) { Ok(()) } else { Err("it does not begin like a gzip member of a segment".to_owned()) }
}
