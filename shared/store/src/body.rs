use std::ops::Range;

use bytes::Bytes;

/// The content of an object in chunks, so that a segment is never copied into one buffer. Cloning
/// copies no bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    chunks: Vec<Bytes>,
    len: usize,
}

impl Body {
    /// An empty body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a chunk at the end.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.len += chunk.len();
            self.chunks.push(chunk);
        }
    }

    /// Size of all chunks together, in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The chunks, in order; none is empty.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// The bytes of `range`, cut off at the end of the body, without copying.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let mut start = 0;
        let slices = self.chunks.iter().map(|chunk| {
            let within = |at: usize| at.saturating_sub(start).min(chunk.len());
            let slice = chunk.slice(within(range.start)..within(range.end));
            start += chunk.len();
            slice
        });
        slices.collect()
    }

    /// Everything in one chunk; copies only if there are several.
    pub fn to_bytes(&self) -> Bytes {
        match self.chunks.as_slice() {
            [] => Bytes::new(),
            [only] => only.clone(),
            many => many.concat().into(),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let mut body = Self::new();
        body.push(bytes);
        body
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl FromIterator<Bytes> for Body {
    fn from_iter<I: IntoIterator<Item = Bytes>>(chunks: I) -> Self {
        let mut body = Self::new();
        chunks.into_iter().for_each(|chunk| body.push(chunk));
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cut_through_pieces() {
        let body: Body = [&b"abc"[..], b"d", b"", b"efgh"].into_iter().map(Bytes::from_static).collect();
        assert_eq!(body.chunks().len(), 3);
        for start in 0..=9 {
            for end in start..=9 {
                let slice = body.slice(start..end);
                assert_eq!(slice.to_bytes(), "abcdefgh"[start.min(8)..end.min(8)], "{start}..{end}");
                assert_eq!(slice.len(), end.min(8) - start.min(8));
            }
        }
    }
}
