//! The lines of a file of the Python tool.

use std::io::{self, Read};

/// What a pass over the lines found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) count: u64,
    /// Length of the longest one, in bytes.
    pub(super) longest: u64,
}

/// Counts the lines of a file. A last one without a newline counts too.
pub(super) fn count_lines(file: &mut impl Read) -> io::Result<Lines> {
    let mut lines = Lines::default();
    let mut open = 0_u64;
    let mut chunk = vec![0; 64 << 10];
    loop {
        let read = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for piece in chunk[..read].split_inclusive(|byte| *byte == b'\n') {
            let ends = piece.ends_with(b"\n");
            open += piece.len() as u64 - u64::from(ends);
            lines.longest = lines.longest.max(open);
            if ends {
                lines.count += 1;
                open = 0;
            }
        }
    }
    lines.count += u64::from(open > 0);
    Ok(lines)
}
