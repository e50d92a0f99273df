//! Masks known secrets: the last line of defence against libraries and messages.
//!
//! [`hide`] the result of `Raw::secrets` of the configuration before the first line is written, and
//! everything that is fetched later (from a secret store) as soon as it arrives.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use kernel::Secret;

/// Replaces a secret.
pub const MASK: &str = "***";

/// Secrets in all their spellings.
#[derive(Default)]
pub struct Redactor {
    /// The longest first, so that a secret that contains another one is masked as a whole.
    patterns: RwLock<Vec<String>>,
}

impl Redactor {
    /// Masks this secret from now on: also as JSON, as Rust's debug output and percent-encoded. Of
    /// a secret with several lines (a key in PEM) it masks each line. Secrets shorter than four
    /// characters are not masked: that would mask half of every line.
    pub fn hide(&self, secret: &Secret) {
        const SHORTEST: usize = 4;
        let secret = secret.reveal().trim();
        let lines = secret.lines().map(str::trim).filter(|line| line.len() >= 16 && !line.starts_with("-----"));
        let parts = std::iter::once(secret).chain(lines).filter(|part| part.len() >= SHORTEST);
        let mut patterns = self.patterns.write().unwrap_or_else(PoisonError::into_inner);
        for pattern in parts.flat_map(ways_to_write) {
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
        }
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.len()));
    }

    /// `text` with every known secret replaced by [`MASK`].
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let patterns = self.patterns.read().unwrap_or_else(PoisonError::into_inner);
        let mut masked = Cow::Borrowed(text);
        for pattern in patterns.iter() {
            if masked.contains(pattern.as_str()) {
                masked = Cow::Owned(masked.replace(pattern.as_str(), MASK));
            }
        }
        masked
    }

    /// Like [`Self::mask`] for a JSON text, which stays valid: masks only its strings, not the
    /// names of members.
    pub fn mask_json(&self, json: &str) -> String {
        let (mut masked, mut rest) = (String::with_capacity(json.len()), json);
        while let Some(begin) = rest.find('"') {
            let (before, string) = rest.split_at(begin);
            let (string, behind) = string.split_at(length_of_string(string));
            masked.push_str(before);
            match serde_json::from_str::<String>(string) {
                Ok(text) if !behind.trim_start().starts_with(':') => {
                    masked.push_str(&serde_json::Value::from(self.mask(&text)).to_string())
                }
                _ => masked.push_str(string),
            }
            rest = behind;
        }
        masked + rest
    }
}

/// Length of the string at the start of `json`, quotes included.
fn length_of_string(json: &str) -> usize {
    let mut bytes = json.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return at + 1,
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
    json.len()
}

/// Shows none of its secrets.
impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

/// The process's redactor.
pub fn known() -> Arc<Redactor> {
    static KNOWN: LazyLock<Arc<Redactor>> = LazyLock::new(Arc::default);
    KNOWN.clone()
}

/// Masks these in every line of this process from now on.
pub fn hide<'s>(secrets: impl IntoIterator<Item = &'s Secret>) {
    secrets.into_iter().for_each(|secret| known().hide(secret));
}

fn ways_to_write(secret: &str) -> [String; 4] {
    let json = serde_json::Value::from(secret).to_string();
    let debug = format!("{secret:?}");
    let inner = |quoted: &str| quoted[1..quoted.len() - 1].to_owned();
    [secret.to_owned(), inner(&json), inner(&debug), percent_encoded(secret)]
}

/// As in a query: RFC 3986's unreserved characters stay.
fn percent_encoded(secret: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    secret.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let redactor = Redactor::default();
        secrets.iter().for_each(|secret| redactor.hide(&Secret::new(*secret)));
        redactor
    }

    #[test]
    fn a_secret_is_masked_however_it_is_written() {
        let secret = "p\"w\\d/+=\nü";
        let redactor = redactor(&[secret]);
        let table = [
            (format!("is {secret}."), "is ***."),
            (format!("Config {{ password: {secret:?} }}"), "Config { password: \"***\" }"),
            (serde_json::json!({ "password": secret }).to_string(), "{\"password\":\"***\"}"),
            ("https://host/?sig=p%22w%5Cd%2F%2B%3D%0A%C3%BC&x=1".to_owned(), "https://host/?sig=***&x=1"),
        ];
        for (text, masked) in table {
            assert_eq!(redactor.mask(&text), masked);
        }
    }

    #[test]
    fn a_secret_within_another_leaves_no_rest() {
        let redactor = redactor(&["hunter2", "hunter2hunter2-and-more"]);
        assert_eq!(redactor.mask("a hunter2hunter2-and-more, a hunter2"), "a ***, a ***");
    }

    #[test]
    fn each_line_of_a_key_is_masked() {
        let key =
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----\n";
        let redactor = redactor(&[key]);
        assert_eq!(redactor.mask("line BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"), "line ***");
        assert_eq!(redactor.mask("-----BEGIN PRIVATE KEY----- expected"), "-----BEGIN PRIVATE KEY----- expected");
    }

    #[test]
    fn json_is_masked_and_stays_json() {
        let redactor = redactor(&["1234", "name", "pass\"word\\"]);
        let value = serde_json::json!({"name": "a name", "number": 1234, "list": ["pass\"word\\", "", "1234:"], "x\"": {"y": "\\"}});
        let expected = serde_json::json!({"name": "a ***", "number": 1234, "list": ["***", "", "***:"], "x\"": {"y": "\\"}});
        assert_eq!(redactor.mask_json(&value.to_string()), expected.to_string());
        assert_eq!(redactor.mask_json(&format!("{{ \"name\" : {} }}", "\"name\"")), "{ \"name\" : \"***\" }");
    }

    #[test]
    fn what_is_no_secret_stays() {
        let redactor = redactor(&["abc", "", "  "]);
        assert_eq!(redactor.mask("abc  def"), "abc  def");
        assert!(matches!(redactor.mask("abc"), Cow::Borrowed(_)));
    }
}
