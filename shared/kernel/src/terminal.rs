//! Untrusted text (names and messages from a bucket, from Kafka) for a terminal: it moves no
//! cursor, hides nothing, and starts no line.

use std::borrow::Cow;
use std::fmt::Write;

/// One line, with everything escaped that could control a terminal or is invisible: `\n`, `\u{1b}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    escape(text, |c| is_hidden(c) || is_joiner(c))
}

/// Like [`visible`], for our own text of several lines.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| c != '\n' && is_hidden(c))
}

/// Like [`visible`], for JSON, whose meaning does not change. (A JSON writer already escapes
/// characters below U+0020.)
pub fn visible_json(json: &str) -> Cow<'_, str> {
    let is_wanted = |c: char| c > '~' && is_hidden(c);
    if !json.contains(is_wanted) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_wanted(c) {
            // Writing to a String does not fail.
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(escaped, "\\u{unit:04x}"));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Control characters, and characters that change the order of others, end a line, or have no
/// width.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Zero width, but part of some scripts and emoji: names and messages have none.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

fn escape(text: &str, is_wanted: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_wanted) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_wanted(c) { escaped.extend(c.escape_default()) } else { escaped.push(c) }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_a_terminal() {
        for plain in ["", "orders@2/0", "s3://bucket/schlüssel", "順番 👍", "\"quoted\" \\ 'text'"] {
            assert!(matches!(visible(plain), Cow::Borrowed(same) if same == plain));
            assert!(matches!(visible_json(plain), Cow::Borrowed(same) if same == plain));
        }
        for (text, shown) in [
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\nb\r\tc\u{7f}", "a\\nb\\r\\tc\\u{7f}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("abc\u{202e}fdp", "abc\\u{202e}fdp"),
            ("or\u{200b}d\u{200d}ers", "or\\u{200b}d\\u{200d}ers"),
        ] {
            assert_eq!(visible(text), shown);
        }
        assert_eq!(visible_lines("a\n\u{1b}b"), "a\n\\u{1b}b");
    }

    #[test]
    fn json_means_what_it_meant() {
        assert_eq!(visible_json("{\"a\":\"\u{9b}31m \u{7f}\u{e0041}\"}"), r#"{"a":"\u009b31m \u007f\udb40\udc41"}"#);
        assert_eq!(visible_json("{\"family\":\"👩\u{200d}👧\"}\n"), "{\"family\":\"👩\u{200d}👧\"}\n");
    }
}
