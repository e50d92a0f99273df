//! Rules for names and addresses. Each function returns the name, or what is wrong and what is
//! right.

use archive::catalog::names::parse_topic;
use kafka::{Pattern, is_internal};

type Checked = Result<String, String>;

/// Characters that mean a pattern.
pub(super) const PATTERN: &str = "^$*+?[](){}|\\";

/// A topic name by Kafka's rule: 1 to 249 letters, digits, `.`, `_` and `-`, but not `.` or `..`.
/// Not an internal topic.
pub(super) fn topic(name: &str) -> Checked {
    const LONGEST: usize = 249;
    if is_internal(name) {
        return Err(format!("{name} is internal to Kafka and is never backed up or restored"));
    }
    if matches!(name, "" | "." | "..") || name.len() > LONGEST {
        return Err(format!("a topic's name has 1 to {LONGEST} characters and is not . or .."));
    }
    match name.chars().find(|c| !legal_in_topic(*c)) {
        Some(c) if PATTERN.contains(c) => {
            Err(format!("{name}: {c:?} is not legal in a topic's name. A regular expression begins with ^, a glob has * and ?"))
        }
        Some(c) => Err(format!("{c:?} is not legal in a topic's name: letters, digits, '.', '_' and '-' are")),
        None => Ok(name.to_owned()),
    }
}

/// Topics: a name, a glob or a regular expression.
pub(super) fn topic_pattern(text: &str) -> Result<Pattern, String> {
    let pattern = Pattern::parse(text).map_err(|what| {
        if text.contains('{') { format!("{what}. Write a regular expression with a comma in a JSON array: [\"^a{{1,2}}\"]") } else { what }
    })?;
    if pattern.is_name() {
        topic(text)?;
    } else if let Some(c) = text.chars().find(|c| !text.starts_with('^') && !legal_in_topic(*c) && !matches!(c, '*' | '?')) {
        let place = text.chars().take_while(|other| *other != c).count() + 1;
        let hint = if "$+[](){}|\\".contains(c) { "; a regular expression begins with ^" } else { "" };
        return Err(format!("{text}: {c:?}, character {place}, is not legal in a topic's name; a glob has only * and ? in addition{hint}"));
    }
    Ok(pattern)
}

/// Topics of a restore: a name, with or without a generation, a glob or a regular expression.
pub(super) fn generation_pattern(text: &str) -> Result<Pattern, String> {
    // Globs and regular expressions match names only; only a name can select a generation.
    if Pattern::parse(text).is_ok_and(|pattern| pattern.is_name()) {
        generation(text)?;
        return Pattern::parse(text);
    }
    match text.rsplit_once('@') {
        Some((_, number)) if !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '*') => {
            Err(format!("{text}: only a name can have a generation, as in orders@1; a pattern selects the newest of each topic"))
        }
        _ => topic_pattern(text),
    }
}

/// A topic, which means its newest generation, or one generation: `orders@1` is the first.
pub(super) fn generation(name: &str) -> Checked {
    match parse_topic(name) {
        Some((of, _)) => topic(of).map(|_| name.to_owned()),
        None => {
            Err("must be a topic's name, or one with the number of a generation: orders@1 is the first, orders@2 the second".to_owned())
        }
    }
}

/// A restore id. It is part of object names, transactional ids and group ids, so it has 1 to 200
/// letters, digits, `.`, `_`, `-` and `@`, and does not begin with `@`.
pub(super) fn restore_id(id: &str) -> Checked {
    const LONGEST: usize = 200;
    let legal = id.chars().all(|c| legal_in_topic(c) || c == '@') && !matches!(id, "" | "." | "..");
    if id.len() > LONGEST {
        return Err(format!("must have at most {LONGEST} characters"));
    }
    if id.starts_with('@') {
        return Err("must not begin with '@': the bucket reserves such names for other objects".to_owned());
    }
    if legal { Ok(id.to_owned()) } else { Err("may contain letters, digits, '.', '_', '-' and '@'".to_owned()) }
}

/// The id of a cluster, assigned by Kafka or by an operator.
pub(super) fn cluster_id(id: &str) -> Checked {
    const LONGEST: usize = 200;
    if id.chars().count() > LONGEST {
        return Err(format!("must have at most {LONGEST} characters"));
    }
    Ok(id.to_owned())
}

/// One broker: `host:port`, `host` (port 9092) or `[IPv6]:port`.
pub(super) fn broker(address: &str) -> Checked {
    let wrong = |what: &str| Err(format!("{address:?}: {what}"));
    if address.contains("://") {
        return wrong("write host:port; the protocol is the property security.protocol, in KAFKA_PROPERTIES");
    }
    let bracketed = address.strip_prefix('[').map(|rest| rest.split_once(']').unwrap_or((rest, "?")));
    let (host, port) = bracketed.unwrap_or_else(|| address.split_at(address.find(':').unwrap_or(address.len())));
    let legal_host = match bracketed {
        Some((host, _)) => host.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(legal_in_topic),
    };
    let legal_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    match (legal_host, legal_port) {
        (true, true) => Ok(address.to_owned()),
        _ if address.matches(':').count() > 1 => wrong("is not one host:port; write an IPv6 address as [2001:db8::1]:9092"),
        (false, _) => wrong("is not a host name or address; write brokers as host:port, separated by commas"),
        (_, false) => wrong("the port must be a number from 1 to 65535"),
    }
}

/// A bucket: 3 to 255 letters, digits, `.`, `_` and `-` (S3's old rule, which includes the current
/// one), or the ARN of an access point.
pub(super) fn bucket(name: &str) -> Checked {
    if name.contains("://") || name.contains('/') && !name.starts_with("arn:") {
        return Err("must be the bucket's name, without s3:// and path; put a path into STORAGE_PREFIX".to_owned());
    }
    let legal = name.starts_with("arn:") || (3..=255).contains(&name.len()) && name.chars().all(legal_in_topic);
    if legal { Ok(name.to_owned()) } else { Err("is not a bucket name: 3 to 63 of a-z, 0-9, '.' and '-'".to_owned()) }
}

/// An Azure container: 3 to 63 of a-z, 0-9 and `-`, which must be between two others.
pub(super) fn container(name: &str) -> Checked {
    let parts_legal = name.split('-').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
    if parts_legal && (3..=63).contains(&name.len()) {
        return Ok(name.to_owned());
    }
    Err("is not a container name: 3 to 63 of a-z, 0-9 and single '-' in between".to_owned())
}

/// An Azure storage account: 3 to 24 of a-z and 0-9.
pub(super) fn account(name: &str) -> Checked {
    let legal = (3..=24).contains(&name.len()) && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if legal { Ok(name.to_owned()) } else { Err("is not a storage account name: 3 to 24 of a-z and 0-9".to_owned()) }
}

/// A path that prefixes every name in a store; slashes around it are removed.
pub(super) fn prefix(path: &str) -> Checked {
    const LONGEST: usize = 400;
    let path = path.trim_matches('/');
    if path.len() > LONGEST {
        return Err(format!("must have at most {LONGEST} characters"));
    }
    if path.contains('\\') {
        return Err("contains a backslash; separate folders by /".to_owned());
    }
    match path.split('/').find(|part| matches!(*part, "" | "." | "..")) {
        Some(_) if !path.is_empty() => Err("must not contain //, /./ or /../".to_owned()),
        _ => Ok(path.to_owned()),
    }
}

/// An address `http(s)://host[:port]` without path, query or user. Adds `scheme` if there is none.
pub(super) fn endpoint(address: &str, scheme: &str) -> Checked {
    let (scheme, rest) = address.split_once("://").unwrap_or((scheme, address));
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if !matches!(scheme, "http" | "https") {
        return Err("must begin with http:// or https://, or with neither".to_owned());
    }
    if rest.contains(['/', '?', '#', '@']) {
        return Err("must be an address without user, path and query".to_owned());
    }
    broker(rest).map(|_| format!("{scheme}://{rest}")).map_err(|_| "must be host:port".to_owned())
}

/// A folder of this machine.
pub(super) fn folder(path: &str) -> Result<std::path::PathBuf, String> {
    if path.starts_with('~') {
        return Err("~ is not expanded here: write the full path".to_owned());
    }
    if path.contains("://") {
        return Err("must be a path; for a bucket set FILESYSTEM_TYPE to S3, MINIO or AZURE".to_owned());
    }
    Ok(path.into())
}

fn legal_in_topic(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(rule: fn(&str) -> Checked, good: &[&str], bad: &[&str]) {
        good.iter().for_each(|name| assert_eq!(rule(name).as_deref(), Ok(*name)));
        bad.iter().for_each(|name| assert!(rule(name).is_err(), "{name}"));
    }

    #[test]
    fn only_a_name_is_of_one_generation() {
        for good in ["orders", "orders@1", "orders@12", "ord*", "^orders-[0-9]+"] {
            assert!(generation_pattern(good).is_ok(), "{good}");
        }
        for bad in ["ord*@1", "*@*", "^orders@2", "orders@*", "orders@0", "a b*", "^a("] {
            assert!(generation_pattern(bad).is_err(), "{bad}");
        }
        assert!(generation_pattern("ord*@1").unwrap_err().contains("newest of each topic"));
    }

    #[test]
    fn names_that_are_legal_and_names_that_are_not() {
        let longest = "x".repeat(249);
        check(
            topic,
            &["a", "A.b_c-1", "...", "__mine", &longest],
            &["", ".", "..", "a b", "a/b", "ü", "a@2", "__consumer_offsets", &"x".repeat(250)],
        );
        check(
            generation,
            &["a", "a@1", "a@2", "a@10"],
            &["a@", "a@0", "a@01", "a@02", "a@+2", "@2", "a@2@3", "a@x", "..@2", "__transaction_state@2"],
        );
        check(restore_id, &["a", "orders@2-to-copy", &"x".repeat(200)], &["", ".", "..", "@target", "a/b", "a b", &"x".repeat(201)]);
        let brokers = ["a", "a:1", "a.b_c-d:65535", "10.0.0.1:9092", "[::1]:9092", "[2001:db8::1]"];
        check(
            broker,
            &brokers,
            &["", ":1", "a:", "a:0", "a:65536", "a:b", "a:1:2", "::1", "[::1", "[::1]:", "[::1]x", "[x]:1", "ssl://a:1", "a/b", "a b"],
        );
        let arn = "arn:aws:s3:eu-central-1:123456789012:accesspoint/backups";
        check(bucket, &["abc", "my.bucket-1", "My_Old_Bucket", arn], &["", "ab", "a/b", "s3://abc", "a b c", &"x".repeat(256)]);
        check(container, &["abc", "a-b-1"], &["", "ab", "Abc", "-ab", "ab-", "a--b", "a_b", "$root", &"x".repeat(64)]);
        check(account, &["abc", "backups1"], &["", "ab", "Abc", "a-bc", &"x".repeat(25)]);
        check(prefix, &["", "a", "a/b c/ü"], &["..", "a/..", "a//b", "./a", "a\\b", &"x".repeat(401)]);
        check(
            |url| endpoint(url, "https"),
            &["http://a:1", "https://a"],
            &["ftp://a", "http://", "http://a/b", "http://a?b", "http://u@a", "http://a:x"],
        );
    }
}
