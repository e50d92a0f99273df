//! What the environment replaces in a file. A container platform sets variables of its own, and one of them can have the name of a key.

use serde_json::Value;

use super::raw::{Entry, Origin, Raw};
use super::read::{is_secret, items_of, shown};
use super::{properties, variables};

impl Raw {
    /// One line that names the keys whose value in the file does not hold, because the environment has another one; `None` when there is none.
    /// No secret is in it.
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

    /// What the file says of a key, or of the property that a KAFKA_* variable is, with the file's name.
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

/// Whether two values say the same, however they are written.
fn is_same(one: &Value, other: &Value) -> bool {
    one == other || items_of(one).is_ok_and(|items| items_of(other) == Ok(items))
}
