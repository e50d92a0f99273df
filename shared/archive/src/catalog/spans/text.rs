//! Spans as text: about five bytes each, so that hundreds fit into the metadata of a committed
//! offset.
//!
//! A span is `[skipped+]length[-missing][@shift]`; commas separate spans. `skipped` offsets before
//! it are in no span, `length` are in it, `missing` of them have no record, and its target is
//! `shift` after the end of the previous one. The default shift is 1: the marker that ends a
//! transaction.

use std::fmt::{self, Write};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Span, Spans};

/// The default shift of a span's target: after the marker that ends a transaction.
const MARKER: i64 = 1;

impl fmt::Display for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut from, mut end) = (0, 0);
        for (index, span) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_char(',')?;
            }
            if span.from != from {
                write!(f, "{}+", span.from - from)?;
            }
            let length = span.to - span.from;
            write!(f, "{length}")?;
            if !span.is_in_step() {
                write!(f, "-{}", length - span.count)?;
            }
            if span.count > 0 {
                let shift = span.target - end;
                if shift != MARKER {
                    write!(f, "@{shift}")?;
                }
                end = span.end();
            }
            from = span.to;
        }
        Ok(())
    }
}

impl FromStr for Spans {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut spans, mut from, mut end) = (Vec::new(), 0, 0);
        for part in text.split(',').filter(|_| !text.is_empty()) {
            let span = parse(part, from, end).ok_or_else(|| format!("{part:?} is not a span"))?;
            from = span.to;
            if span.count > 0 {
                end = span.end();
            }
            spans.push(span);
        }
        Ok(Self(spans))
    }
}

/// Parses a span; the previous one ended at these offsets.
fn parse(part: &str, from: i64, end: i64) -> Option<Span> {
    let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?;
    let (part, shift) = match part.split_once('@') {
        Some((part, shift)) => (part, number(shift.strip_prefix('-').unwrap_or(shift)).and_then(|_| shift.parse().ok())?),
        None => (part, MARKER),
    };
    let (part, missing) = match part.split_once('-') {
        Some((part, missing)) => (part, number(missing)?),
        None => (part, 0),
    };
    let (skipped, length) = match part.split_once('+') {
        Some((skipped, length)) => (number(skipped)?, number(length)?),
        None => (0, number(part)?),
    };
    let from = from.checked_add(skipped)?;
    let (to, count) = (from.checked_add(length)?, length.checked_sub(missing)?);
    let target = if count == 0 { 0 } else { end.checked_add(shift)? };
    target.checked_add(count)?;
    (length > 0 && count >= 0 && target >= 0).then_some(Span { from, to, target, count })
}

impl Serialize for Spans {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Spans {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
