//! RESTORE_TOPIC_NAME.

use super::names;

/// The name of the topic that one is restored into: the same for each, with `{topic}` for the name of the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetName(String);

impl TargetName {
    /// What stands for the name of the original.
    pub const TOPIC: &'static str = "{topic}";

    /// As it was written. Whether it makes legal names is not looked at.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether each topic gets a name of its own.
    pub fn has_topic(&self) -> bool {
        self.0.contains(Self::TOPIC)
    }

    /// The name for this topic, and what is wrong with it: of a pattern's topics, names are known only when they are found.
    ///
    /// # Errors
    /// It is not a legal name, or that of an internal topic.
    pub fn legal_of(&self, topic: &str) -> Result<String, String> {
        let name = self.of(topic);
        names::topic(&name).map_err(|what| format!("{topic} would be restored into {name}: {what}"))
    }

    /// The name for this topic, without the number of its generation.
    pub fn of(&self, topic: &str) -> String {
        self.0.replace(Self::TOPIC, topic)
    }
}

/// The name of the topic to restore into, with `{topic}` for that of the original.
pub(super) fn target(text: &str) -> Result<TargetName, String> {
    let target = TargetName::new(text);
    let example = target.of("x");
    if let Some(c) = example.chars().find(|c| names::PATTERN.contains(*c)) {
        let place = TargetName::TOPIC;
        return Err(format!(
            "{c:?} is not legal in a topic's name. {place} is replaced by the name of the original, as in copy-of-{place}"
        ));
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
            assert!(target(hinted).unwrap_err().contains("{topic} is replaced"), "{hinted}");
        }
    }
}
