//! Digests the part of a tool's declaration on which the effect of a call depends.

use serde_json::{Map, Value, json};

use super::normal;
use crate::{audit::sha256, canonical, registry::Definition, tool::descriptor::Descriptor};

/// The keywords of a schema that describe a value, and on which none depends.
const WORDING_KEYWORDS: [&str; 5] = ["title", "description", "examples", "deprecated", "$comment"];

/// Returns the digest of a tool's effect words and of the arguments that it takes. Two versions of a tool with one digest do
/// the same for one call, as far as declarations can tell; texts, scopes, limits and the form of results make no difference.
pub(crate) fn effect_digest_of(tool: &Definition) -> [u8; 32] {
    // Clients may read a simpler schema than the one that is enforced.
    digest(tool.descriptor, tool.input.enforced.as_ref().unwrap_or(&tool.input.schema))
}

fn digest(tool: &Descriptor, input: &Map<String, Value>) -> [u8; 32] {
    let mut input = normal::schema(&Value::from(input.clone()));
    remove_texts(&mut input);
    let declared = json!({
        "effect": tool.effect.word(),
        "idempotent": tool.idempotent,
        "closed_world": tool.closed_world,
        "rules": tool.rules.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "input": input,
    });
    let mut text = String::new();
    canonical::write(&declared, &mut text);
    sha256(text.as_bytes())
}

/// Removes the keywords that describe values from a schema and the schemas in it.
fn remove_texts(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.retain(|keyword, _| !WORDING_KEYWORDS.contains(&keyword.as_str()));
            for (keyword, value) in members {
                match (keyword.as_str(), value) {
                    // The names in these objects are those of properties and types.
                    ("properties" | "patternProperties" | "$defs", Value::Object(schemas)) => {
                        schemas.values_mut().for_each(remove_texts);
                    }
                    // These are values of the caller, and not schemas.
                    ("const" | "enum" | "default", _) => {}
                    (_, value) => remove_texts(value),
                }
            }
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(remove_texts),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::descriptor::{Effect, Per, Rate, Rule};

    const TOOL: Descriptor = Descriptor { name: "order", effect: Effect::Additive, ..Descriptor::DEFAULT };

    fn of(tool: &Descriptor, properties: &Value) -> [u8; 32] {
        let Value::Object(input) = json!({"type": "object", "properties": properties}) else {
            unreachable!()
        };
        digest(tool, &input)
    }

    #[test]
    fn effect_digest_ignores_texts_scopes_and_limits() {
        let plain = of(&TOOL, &json!({"description": {"type": "string", "default": {"title": 1}}}));
        let told = json!({"description": {
            "type": "string", "default": {"title": 1}, "title": "T", "description": "D", "examples": ["e"]
        }});
        assert_eq!(of(&TOOL, &told), plain);
        let other = Descriptor {
            title: "Order",
            description: "Order a thing.",
            scopes: &["write"],
            rate: Some(Rate { calls: 1, per: Per::Second }),
            max_in_flight: Some(1),
            ..TOOL
        };
        let same = json!({"description": {"type": "string", "default": {"title": 1}}});
        assert_eq!(of(&other, &same), plain);
    }

    #[test]
    fn effect_digest_changes_with_each_effect_word_and_argument() {
        let count = json!({"count": {"type": "integer", "default": 1}});
        let tools = [
            TOOL,
            Descriptor { effect: Effect::Destructive, ..TOOL },
            Descriptor { idempotent: true, ..TOOL },
            Descriptor { closed_world: true, ..TOOL },
            Descriptor { rules: &[Rule::AnyOf(&["count", "all"])], ..TOOL },
        ];
        let inputs = [
            json!({}),
            json!({"count": {"type": "integer"}}),
            json!({"count": {"type": "integer", "default": 2}}),
            json!({"count": {"type": "number", "default": 1}}),
            json!({"count": {"type": "integer", "default": 1}, "title": {"type": "string"}}),
            json!({"count": {"type": "integer", "default": 1}, "title": {"type": "number"}}),
        ];
        let digests: std::collections::HashSet<_> = tools
            .iter()
            .map(|tool| of(tool, &count))
            .chain(inputs.iter().map(|input| of(&TOOL, input)))
            .collect();
        assert_eq!(digests.len(), tools.len() + inputs.len());
    }
}
