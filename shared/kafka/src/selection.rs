//! Which topics: by name, glob or regular expression, minus the excluded ones.
//!
//! `*`, `?` and `^` are not legal in a topic's name, so the kind of an entry is visible: one that
//! begins with `^` is a regular expression, one with `*` or `?` a glob, any other a name. Globs and
//! regular expressions match whole names.

use std::collections::BTreeSet;

use regex_lite::Regex;
use regex_syntax::ast::parse::Parser;

/// Topics that only Kafka writes; never restored.
const NEVER: [&str; 4] = ["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"];

/// Whether a topic is internal to Kafka, and never backed up.
pub fn is_internal(topic: &str) -> bool {
    NEVER.contains(&topic)
}

/// One entry of a selection.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    /// `None`: a name.
    regex: Option<Regex>,
}

impl Pattern {
    /// Parses an entry. Does not check whether a name is legal.
    ///
    /// # Errors
    /// What is wrong, and at which character of the pattern.
    pub fn parse(text: &str) -> Result<Self, String> {
        let regex = match text.strip_prefix('^') {
            Some(_) => {
                check_syntax(text)?;
                Some(whole(text)?)
            }
            None if text.contains(['*', '?']) => {
                let parts = text.chars().map(|c| match c {
                    '*' => ".*".to_owned(),
                    '?' => ".".to_owned(),
                    c => regex_lite::escape(c.encode_utf8(&mut [0; 4])),
                });
                Some(whole(&parts.collect::<String>())?)
            }
            None => None,
        };
        Ok(Self { text: text.to_owned(), regex })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is a plain name.
    pub fn is_name(&self) -> bool {
        self.regex.is_none()
    }

    /// Whether it selects a topic of this name. Names that begin with `__` are selected only by
    /// their exact name.
    fn takes(&self, name: &str) -> bool {
        self.matches(name) && (self.is_name() || !name.starts_with("__"))
    }

    fn matches(&self, name: &str) -> bool {
        self.regex.as_ref().map_or(self.text == name, |regex| regex.is_match(name))
    }

    /// What a glob would mean for `kafka-topics.sh`, which reads `payments.*` as a regular
    /// expression.
    fn as_kafkas_tools_read_it(&self) -> Option<Regex> {
        self.text.contains('*').then_some(&self.text).filter(|text| !text.starts_with('^')).and_then(|text| whole(text).ok())
    }
}

/// A regular expression of whole names.
fn whole(text: &str) -> Result<Regex, String> {
    Regex::new(&format!("^(?:{text})$")).map_err(|error| format!("{text} is not a regular expression: {error}"))
}

/// `regex_lite` does not report the position of an error; the parser of `regex` does.
fn check_syntax(text: &str) -> Result<(), String> {
    let Err(error) = Parser::new().parse(text) else { return Ok(()) };
    let place = text.char_indices().take_while(|(at, _)| *at <= error.span().start.offset).count();
    let near = text.chars().nth(place - 1).map_or_else(|| "the end".to_owned(), |c| format!("{c:?}"));
    Err(format!("{text} is not a regular expression: {} (character {place}, {near})", error.kind()))
}

/// Which topics are selected.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

/// What a selection selects of existing topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selected {
    /// All plain names, whether they exist or not, and all matches of patterns.
    pub names: BTreeSet<String>,
    /// What exclusions remove.
    pub excluded: BTreeSet<String>,
    /// Patterns without a match.
    pub idle: Vec<String>,
    /// Patterns that look like globs and would match more as regular expressions, as Kafka's own
    /// tools read them: the pattern, and an example of those names.
    pub ambiguous: Vec<(String, String)>,
}

impl Selection {
    /// These, minus those.
    ///
    /// # Errors
    /// A name that is both included and excluded: one of the two is a mistake.
    pub fn new(include: Vec<Pattern>, exclude: Vec<Pattern>) -> Result<Self, String> {
        for name in include.iter().filter(|pattern| pattern.is_name()) {
            if let Some(pattern) = exclude.iter().find(|pattern| pattern.takes(&name.text)) {
                return Err(format!("{} excludes {}, which is included by name", pattern.text, name.text));
            }
        }
        Ok(Self { include, exclude })
    }

    /// These topics and no others.
    pub fn of_names<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        let include = names.into_iter().map(|name| Pattern { text: name.into(), regex: None }).collect();
        Self { include, exclude: Vec::new() }
    }

    /// The plain names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.include.iter().filter(|pattern| pattern.is_name()).map(|pattern| pattern.text.as_str())
    }

    /// Whether the list of topics is required.
    pub fn has_patterns(&self) -> bool {
        self.include.iter().any(|pattern| !pattern.is_name())
    }

    /// Whether a topic is selected by its plain name.
    pub fn has_name(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }

    /// Whether a topic of this name is selected, if it exists.
    pub fn takes(&self, name: &str) -> bool {
        !is_internal(name) && self.include.iter().any(|pattern| pattern.takes(name)) && !self.excludes(name)
    }

    /// Whether a consumer group of this name is selected. No group name is special.
    pub fn takes_group(&self, name: &str) -> bool {
        let has = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
        has(&self.include) && !has(&self.exclude)
    }

    /// The entries as written: included, and excluded.
    pub fn entries(&self) -> (Vec<String>, Vec<String>) {
        let texts = |patterns: &[Pattern]| patterns.iter().map(|pattern| pattern.text.clone()).collect();
        (texts(&self.include), texts(&self.exclude))
    }

    fn excludes(&self, name: &str) -> bool {
        self.exclude.iter().any(|pattern| pattern.takes(name))
    }

    /// What it selects of these.
    pub fn of(&self, all: &BTreeSet<String>) -> Selected {
        let mut selected = Selected { names: self.names().map(str::to_owned).collect(), ..Selected::default() };
        for pattern in self.include.iter().filter(|pattern| !pattern.is_name()) {
            let taken: BTreeSet<&String> = all.iter().filter(|name| !is_internal(name) && pattern.takes(name)).collect();
            if taken.is_empty() {
                selected.idle.push(pattern.text.clone());
            }
            let tools = pattern.as_kafkas_tools_read_it();
            let other = |name: &&String| {
                !name.starts_with("__") && !taken.contains(name) && tools.as_ref().is_some_and(|regex| regex.is_match(name))
            };
            if let Some(more) = all.iter().find(other) {
                selected.ambiguous.push((pattern.text.clone(), more.clone()));
            }
            for name in taken {
                let side = if self.excludes(name) { &mut selected.excluded } else { &mut selected.names };
                side.insert(name.clone());
            }
        }
        selected
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn selection(include: &[&str], exclude: &[&str]) -> Result<Selection, String> {
        let parse = |texts: &[&str]| texts.iter().map(|text| Pattern::parse(text)).collect::<Result<Vec<_>, _>>();
        Selection::new(parse(include)?, parse(exclude)?)
    }

    fn of(include: &[&str], exclude: &[&str], all: &[&str]) -> Selected {
        selection(include, exclude).unwrap().of(&all.iter().map(|name| (*name).to_owned()).collect())
    }

    fn names(include: &[&str], exclude: &[&str], all: &[&str]) -> Vec<String> {
        of(include, exclude, all).names.into_iter().collect()
    }

    #[test]
    fn patterns_are_of_whole_names() {
        let all = ["orders", "orders-1", "orders-22", "orders.dlq", "my-orders", "Orders"];
        assert_eq!(names(&["orders"], &[], &all), ["orders"]);
        assert_eq!(names(&["orders-?"], &[], &all), ["orders-1"]);
        assert_eq!(names(&["orders*"], &["*.dlq"], &all), ["orders", "orders-1", "orders-22"]);
        assert_eq!(names(&[r"^orders-\d+"], &[], &all), ["orders-1", "orders-22"]);
        assert_eq!(names(&["^orders|my"], &[], &all), ["orders"], "both sides are of whole names");
        assert_eq!(names(&["^orders$"], &[], &all), ["orders"]);
        assert_eq!(names(&["orders.*"], &[], &all), ["orders.dlq"], "a dot is a dot");
    }

    #[test]
    fn what_begins_with_two_underscores_is_meant_only_by_name() {
        let all = ["__consumer_offsets", "__transaction_state", "__mine", "_schemas", "a"];
        assert_eq!(names(&["*"], &[], &all), ["_schemas", "a"]);
        assert_eq!(names(&["^.*"], &[], &all), ["_schemas", "a"]);
        assert_eq!(names(&["*", "__mine"], &[], &all), ["__mine", "_schemas", "a"]);
        assert!(!selection(&["__consumer_offsets"], &[]).unwrap().takes("__consumer_offsets"));
    }

    #[test]
    fn names_that_are_written_out_need_not_be_there() {
        let found = of(&["gone", "a*", "b?"], &["a-*"], &["a1", "a-2", "b"]);
        assert_eq!(found.names, ["a1", "gone"].map(str::to_owned).into());
        assert_eq!((found.excluded, found.idle), (["a-2".to_owned()].into(), vec!["b?".to_owned()]));
    }

    #[test]
    fn no_name_of_a_group_is_special() {
        let groups = selection(&["*"], &["tmp-*", "^x[0-9]"]).unwrap();
        let taken = |name: &&str| groups.takes_group(name);
        assert_eq!(
            ["__connect", "a group/é", "tmp-1", "x1", "x12"].into_iter().filter(taken).collect::<Vec<_>>(),
            ["__connect", "a group/é", "x12"]
        );
        assert_eq!(groups.entries(), (vec!["*".to_owned()], vec!["tmp-*".to_owned(), "^x[0-9]".to_owned()]));
    }

    #[test]
    fn a_name_cannot_be_asked_for_and_left_out() {
        let refused = selection(&["orders", "b"], &["x", "ord*"]).unwrap_err();
        assert!(refused.contains("ord*") && refused.contains("orders"), "{refused}");
    }

    #[test]
    fn a_glob_that_kafkas_tools_would_read_as_more_is_told() {
        let all = ["payments", "payments.eu", "payments-us"];
        assert_eq!(of(&["payments.*"], &[], &all).ambiguous, [("payments.*".to_owned(), "payments".to_owned())]);
        assert_eq!(of(&["payments*"], &[], &["payments", "payments-us"]).ambiguous, []);
        assert_eq!(of(&["*"], &[], &all).ambiguous, []);
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (pattern, place) in
            [("^orders-(\\d+", "character 9"), ("^a{2", "character 3"), ("^[z-a]", "character 3"), ("^a)b", "character 3")]
        {
            let refused = Pattern::parse(pattern).unwrap_err();
            assert!(refused.contains(place) && refused.contains(pattern), "{refused}");
        }
        assert!(Pattern::parse(r"^\p{L}+").unwrap_err().contains(r"\p{L}"), "what only the big parser knows is refused, too");
    }
}
