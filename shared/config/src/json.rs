//! JSON for configurations: objects without duplicate keys.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Parses one JSON object. Refuses a duplicate name at any depth, where an ordinary parser takes
/// the last one.
///
/// # Errors
/// What is invalid, with line and column.
pub(super) fn parse_object(text: &str) -> Result<Map<String, Value>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match serde_json::from_str(text) {
        Ok(Unique(Value::Object(map))) => Ok(map),
        Ok(Unique(_)) => Err("is not a JSON object: write { \"KEY\": value, … }".to_owned()),
        Err(error) => Err(format!("is not valid JSON: {error}")),
    }
}

/// The shape of a value that is not a scalar, without its content.
pub(super) fn shape(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "{…}",
        Value::Array(_) => "[…]",
        _ => "null",
    }
}

/// A string, number or boolean as text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A JSON value in which no object has a duplicate key.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unique(element)) = elements.next_element()? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{name} occurs twice")));
            }
            let Unique(value) = entries.next_value()?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::parse_object;

    #[test]
    fn every_kind_of_value_comes_back() {
        let text = r#"{"a": null, "b": [true, "x", 1, -2, 0.5, {"c": {}}], "d": 18446744073709551615}"#;
        let expected = json!({"a": null, "b": [true, "x", 1, -2, 0.5, {"c": {}}], "d": u64::MAX});
        assert_eq!(serde_json::Value::Object(parse_object(text).unwrap()), expected);
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_text() {
        assert!(parse_object("\u{feff}{}").unwrap().is_empty());
    }

    #[test]
    fn what_is_refused() {
        let table = [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{\n  \"A\": 1,\n}", "trailing comma at line 3 column 1"),
            ("{\"A\": 1} x", "trailing characters at line 1 column 10"),
            ("[1]", "not a JSON object"),
            ("\"A\"", "not a JSON object"),
            ("{\"A\": 1,\n \"A\": 1}", "A occurs twice at line 2 column 4"),
            ("{\"A\": {\"b\": 1, \"b\": 2}}", "b occurs twice"),
        ];
        for (text, expected) in table {
            let problem = parse_object(text).unwrap_err();
            assert!(problem.contains(expected), "{text:?}: {problem}");
        }
    }
}
