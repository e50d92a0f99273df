//! The subset of HTTP/1.1 between a platform and its function on one machine: whole messages, of a
//! known length or in chunks.

use std::io::{self, BufRead, Write};

/// A request or an answer.
#[derive(Debug, Default, Clone)]
pub struct Message {
    /// Its first line, without the end.
    pub first: String,
    headers: Vec<(String, String)>,
    /// The whole body, also of a chunked message.
    pub body: Vec<u8>,
}

impl Message {
    /// The next message; `None` at the end of the connection.
    ///
    /// # Errors
    /// Those of the connection; it ends inside of a message; this is not HTTP.
    pub fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut message = Self { first: line(from)?, ..Self::default() };
        if message.first.is_empty() {
            return Ok(None);
        }
        loop {
            let header = line(from)?;
            let Some((name, value)) = header.split_once(':') else { break };
            message.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        if message.header("transfer-encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("chunked")) {
            loop {
                let size = usize::from_str_radix(&line(from)?, 16).map_err(io::Error::other)?;
                take(from, size, &mut message.body)?;
                line(from)?;
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = message.header("content-length") {
            let length = length.parse().map_err(io::Error::other)?;
            take(from, length, &mut message.body)?;
        }
        Ok(Some(message))
    }

    /// A header by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The path of a request, the status of an answer: the second word.
    pub fn second(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    /// The body, if it is JSON, and null if not.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Writes a message with a body of known length.
///
/// # Errors
/// Those of the connection.
pub fn write(to: &mut impl Write, first: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
    let mut bytes = head(first, headers, &format!("content-length: {}", body.len()));
    bytes.extend(body);
    to.write_all(&bytes)
}

/// Writes a message whose body is sent in chunks of `size` bytes.
///
/// # Errors
/// Those of the connection.
pub fn write_chunked(to: &mut impl Write, first: &str, headers: &[(&str, &str)], body: &[u8], size: usize) -> io::Result<()> {
    to.write_all(&head(first, headers, "transfer-encoding: chunked"))?;
    for chunk in body.chunks(size) {
        to.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
        to.write_all(chunk)?;
        to.write_all(b"\r\n")?;
        to.flush()?;
    }
    to.write_all(b"0\r\n\r\n")
}

fn head(first: &str, headers: &[(&str, &str)], last: &str) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{first}\r\n{headers}content-type: application/json\r\n{last}\r\n\r\n").into_bytes()
}

/// A line without its end; empty also at the end of the connection.
fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn take(from: &mut impl BufRead, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
    let before = into.len();
    into.resize(before + length, 0);
    from.read_exact(&mut into[before..])
}
