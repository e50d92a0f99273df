//! Which keys of a file the environment overrides. A container platform sets variables of its own,
//! and one of them can have the name of a key.

use serde_json::Value;

use super::raw::{Entry, Origin, Raw};
use super::read::{is_secret, items_of, shown};
use super::{properties, variables};

impl Raw {
    /// One line that lists the keys whose value in the file is overridden by the environment;
    /// `None` if there are none. It contains no secret.
    pub fn replaced_by_environment(&self) -> Option<String> {
        let mut file = None;
        let mut replaced = Vec::new();
        for (name, entry) in self.entries().filter(|(_, entry)| entry.origin == Origin::Environment) {
            let Some((of_file, path)) = self.in_the_file(name).filter(|(of_file, _)| !is_same(of_file, &entry.value)) else { continue };
            file = Some(path);
            replaced.push(if is_secret(name) {
                format!("{name} (secret)")
            } else {
                format!("{name} = {}, not {}", shown(name, &entry.value), shown(name, &of_file))
            });
        }
        Some(format!("environment variables take precedence over {}: {}", file?, replaced.join("; ")))
    }

    /// The file's value of a key, or of the property of a KAFKA_* variable, with the file's name.
    fn in_the_file(&self, name: &str) -> Option<(Value, Origin)> {
        let is_of_file = |entry: &&Entry| entry.origin != Origin::Environment;
        if let Some(entry) = self.replaced(name) {
            return Some((entry.value.clone(), entry.origin.clone()));
        }
        let properties = self.get(variables::KEY).filter(is_of_file).filter(|_| variables::is_variable(name))?;
        let value = properties::object(&properties.value).ok()?.remove(&variables::name_of(name))?;
        Some((value, properties.origin.clone()))
    }
}

/// Whether two values are equal, however they are written.
fn is_same(one: &Value, other: &Value) -> bool {
    one == other || items_of(one).is_ok_and(|items| items_of(other) == Ok(items))
}
