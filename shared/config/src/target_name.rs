//! RESTORE_TOPIC_NAME.

use super::names;

/// The name of the target topic: a fixed one, or one with `{topic}` for the original's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetName(String);

impl TargetName {
    /// The placeholder of the original's name.
    pub const TOPIC: &'static str = "{topic}";

    /// From the text as written. Does not check whether it makes legal names.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether each topic gets its own name.
    pub fn has_topic(&self) -> bool {
        self.0.contains(Self::TOPIC)
    }

    /// The target name of this topic. The topics of a pattern are known only when they are found,
    /// so their targets are checked then.
    ///
    /// # Errors
    /// The name is illegal, or that of an internal topic.
    pub fn legal_of(&self, topic: &str) -> Result<String, String> {
        let name = self.of(topic);
        names::topic(&name).map_err(|what| format!("{topic} would be restored into {name}: {what}"))
    }

    /// The target name of this topic, without the number of its generation.
    pub fn of(&self, topic: &str) -> String {
        self.0.replace(Self::TOPIC, topic)
    }
}

/// Parses RESTORE_TOPIC_NAME.
pub(super) fn target(text: &str) -> Result<TargetName, String> {
    let target = TargetName::new(text);
    let example = target.of("x");
    if let Some(c) = example.chars().find(|c| names::PATTERN.contains(*c)) {
        let place = TargetName::TOPIC;
        return Err(format!("{c:?} is not legal in a topic's name. {place} stands for the original's name, as in copy-of-{place}"));
    }
    names::topic(&example).map(|_| target)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_target_may_hold_the_name_of_the_original() {
        for good in ["{topic}", "copy-of-{topic}", "{topic}.{topic}", "copy"] {
            assert_eq!(target(good).as_ref().map(TargetName::as_str), Ok(good));
        }
        for bad in ["", "{Topic}", "{topic", "topic}", "{}", "{{topic}}", "${topic}", "a b", "copy-*", "{topic}@2", "__transaction_state"] {
            assert!(target(bad).is_err(), "{bad}");
        }
        for hinted in ["{name}", "{Topic}", "{topic", "*"] {
            assert!(target(hinted).unwrap_err().contains("{topic} stands for"), "{hinted}");
        }
    }
}
