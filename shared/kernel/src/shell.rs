//! Values in a command that is pasted into a shell.

use std::borrow::Cow;

use crate::visible;

/// One word of a POSIX shell that expands to exactly this text. `None` if it has invisible
/// characters: then it is not put into a command.
pub fn quote(text: &str) -> Option<Cow<'_, str>> {
    if matches!(visible(text), Cow::Owned(_)) {
        return None;
    }
    // No character that is special in a shell, not even at the start of a word.
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/' | b':' | b',' | b'=' | b'@' | b'%' | b'+');
    if !text.is_empty() && text.bytes().all(is_plain) && !text.starts_with('=') {
        return Some(Cow::Borrowed(text));
    }
    Some(Cow::Owned(format!("'{}'", text.replace('\'', r"'\''"))))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_one_word_and_runs_nothing() {
        for text in [
            "retention.ms=604800000",
            "",
            "'; echo injected; '",
            "$(echo injected)",
            "`echo injected` \"x\" \\ !! ~ # * ? [a] {a,b} & | < > ;",
            "cleanup.policy=[compact,delete]",
            "~/x",
            "=ls",
            "-n",
            "ключ'",
        ] {
            let word = quote(text).expect("it can be seen");
            let output = Command::new("sh").arg("-c").arg(format!("printf '%s|' {word}")).output().expect("a shell");
            assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{text}|"), "{word}");
        }
        assert_eq!(quote("retention.ms=-1").as_deref(), Some("retention.ms=-1"));
    }

    #[test]
    fn what_cannot_be_seen_is_in_no_command() {
        for text in ["a\nrm", "\u{1b}[8m", "a\rb", "\u{202e}", "\0", "a\u{200b}"] {
            assert_eq!(quote(text), None, "{text:?}");
        }
    }
}
