//! A schema as JSON → its compiled form, once, when a server is built.

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Number, Value, json};

use super::{
    Check, Members, Reach, Rest, Rule, Types, format,
    refer::{Target, Targets},
};

/// The most that a compiled pattern may hold, in bytes.
const PATTERN: usize = 1 << 20;

static ANYTHING: Value = Value::Bool(true);

/// Keywords that demand something which is not looked at here: a schema with one would promise too much.
const NOT_ENFORCED: [&str; 5] =
    ["$dynamicRef", "unevaluatedItems", "dependentSchemas", "dependencies", "additionalItems"];

/// Compiles a whole schema.
pub(super) fn compile(schema: &Value) -> Result<Check, String> {
    let mut compiler = Compiler { targets: Targets::of(schema)? };
    let mut check = compiler.check(schema)?;
    let targets = compiler.targets.finish()?;
    if !targets.is_empty() {
        check.rules.push(Rule::Holds(targets));
    }
    Ok(check)
}

/// A schema on its way, with what its references point to.
struct Compiler<'a> {
    targets: Targets<'a>,
}

/// A pattern found anywhere in a text, in time linear in the text's length.
pub(super) fn regex(pattern: &str) -> Result<Regex, String> {
    let regex = RegexBuilder::new(&ascii(pattern)).size_limit(PATTERN).build();
    regex.map_err(|_| "is no regular expression, or one that is too large".to_owned())
}

/// `\d` and `\w` mean ASCII in ECMA-262, whose dialect JSON Schema's patterns are in.
fn ascii(pattern: &str) -> String {
    let mut rust = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match (letter, if letter == '\\' { letters.next() } else { None }) {
            (_, Some('d')) => rust += "[0-9]",
            (_, Some('D')) => rust += "[^0-9]",
            (_, Some('w')) => rust += "[0-9A-Za-z_]",
            (_, Some('W')) => rust += "[^0-9A-Za-z_]",
            (_, Some(escaped)) => rust.extend(['\\', escaped]),
            (letter, None) => rust.push(letter),
        }
    }
    rust
}

fn types(object: &Map<String, Value>) -> Result<Types, String> {
    let named = |name: &Value| {
        let known = name.as_str().and_then(Types::named);
        known.ok_or_else(|| "`type` of its schema names no type of JSON's".to_owned())
    };
    match object.get("type") {
        None => Ok(Types::ANY),
        Some(Value::Array(names)) => {
            names.iter().try_fold(Types::NONE, |types, name| Ok(types.or(named(name)?)))
        }
        Some(name) => named(name),
    }
}

fn cost(rule: &Rule) -> u8 {
    match rule {
        Rule::Required(_) | Rule::MinItems(_) | Rule::MaxItems(_) => 0,
        Rule::Pattern(..) => 2,
        Rule::UniqueItems | Rule::UnevaluatedProperties(..) | Rule::Refers(_) => 3,
        _ => 1,
    }
}

impl Compiler<'_> {
    fn check(&mut self, schema: &Value) -> Result<Check, String> {
        let object = match schema {
            Value::Bool(true) => return Ok(Check { types: Types::ANY, rules: Vec::new() }),
            Value::Bool(false) => return Ok(Check { types: Types::NONE, rules: Vec::new() }),
            Value::Object(object) => object,
            _ => return Err("a schema is an object or a boolean".to_owned()),
        };
        if let Some(keyword) = NOT_ENFORCED.iter().find(|keyword| object.contains_key(**keyword)) {
            return Err(format!("its schema uses `{keyword}`, which is not enforced"));
        }
        let mut rules = Vec::new();
        for (keyword, value) in object {
            let rule = self.rule(object, keyword, value);
            rules.extend(rule.map_err(|why| format!("`{keyword}` of its schema {why}"))?);
        }
        // What is dear comes last, so that what is cheap can settle it.
        rules.sort_by_key(cost);
        Ok(Check { types: types(object)?, rules })
    }

    /// A schema of a part of the value.
    fn part(&mut self, schema: &Value) -> Result<Check, String> {
        let whole = self.targets.leave();
        let check = self.check(schema);
        self.targets.enter(whole);
        check
    }

    /// What `reference` points to, compiled the first time that something points there.
    fn refer(&mut self, reference: &str) -> Result<Target, String> {
        if let Some(known) = self.targets.known(reference) {
            return Ok(known);
        }
        let (target, schema) = self.targets.add(reference)?;
        let whole = self.targets.enter(Some(reference.to_owned()));
        let check = self.check(schema);
        self.targets.enter(whole);
        self.targets.set(reference, check?);
        Ok(target)
    }

    fn rule(
        &mut self,
        object: &Map<String, Value>,
        keyword: &str,
        value: &Value,
    ) -> Result<Option<Rule>, String> {
        Ok(Some(match keyword {
            "enum" => Rule::Enum(value.as_array().ok_or("is no list")?.clone()),
            "const" => Rule::Const(value.clone()),
            "minimum" => Rule::Minimum(number(value)?),
            "maximum" => Rule::Maximum(number(value)?),
            "exclusiveMinimum" => Rule::ExclusiveMinimum(number(value)?),
            "exclusiveMaximum" => Rule::ExclusiveMaximum(number(value)?),
            "multipleOf" if value.as_f64().is_some_and(|of| of <= 0.0) => {
                return Err("is not above 0".to_owned());
            }
            "multipleOf" => Rule::MultipleOf(number(value)?),
            "minLength" => Rule::MinLength(count(value)?),
            "maxLength" => Rule::MaxLength(count(value)?),
            "pattern" => {
                let pattern = value.as_str().ok_or("is no text")?;
                Rule::Pattern(pattern.to_owned(), regex(pattern)?)
            }
            "format" => {
                let name = value.as_str().ok_or("is no text")?;
                let Some(holds) = format::named(name) else { return Ok(None) };
                Rule::Format(name.to_owned(), holds)
            }
            "minItems" => Rule::MinItems(count(value)?),
            "maxItems" => Rule::MaxItems(count(value)?),
            "uniqueItems" if value == &Value::Bool(true) => Rule::UniqueItems,
            "prefixItems" if object.contains_key("items") => return Ok(None),
            "items" | "prefixItems" => self.items(object)?,
            "contains" => Rule::Contains {
                check: self.part(value)?,
                min: object.get("minContains").map_or(Ok(1), count)?,
                max: object.get("maxContains").map_or(Ok(usize::MAX), count)?,
            },
            "minProperties" => Rule::MinProperties(count(value)?),
            "maxProperties" => Rule::MaxProperties(count(value)?),
            "required" => Rule::Required(names(value)?),
            "dependentRequired" => {
                let all = value.as_object().ok_or("is no object")?;
                let all = all.iter().map(|(name, needs)| Ok((name.clone(), names(needs)?)));
                Rule::DependentRequired(all.collect::<Result<_, String>>()?)
            }
            "$ref" => Rule::Refers(self.refer(value.as_str().ok_or("is no text")?)?),
            "propertyNames" => Rule::PropertyNames(self.part(value)?),
            "properties" | "patternProperties" | "additionalProperties" => {
                let all = ["properties", "patternProperties", "additionalProperties"];
                // The first of them brings the others along.
                if all.into_iter().find(|key| object.contains_key(*key)) != Some(keyword) {
                    return Ok(None);
                }
                Rule::Members(self.members(object)?)
            }
            "unevaluatedProperties" => {
                let mut reaches = Vec::new();
                // The schema itself applies in any case; a part of it counts where it fits.
                self.reach(object, &Value::Bool(true), &mut reaches)?;
                Rule::UnevaluatedProperties(reaches, self.part(value)?)
            }
            "allOf" => Rule::AllOf(self.checks(value)?),
            "anyOf" => Rule::AnyOf(self.checks(value)?),
            "oneOf" => Rule::OneOf(self.checks(value)?),
            "not" => Rule::Not(self.check(value)?),
            "if" => {
                let branch = |name| object.get(name).unwrap_or(&ANYTHING);
                Rule::If {
                    condition: self.check(value)?,
                    then: self.check(branch("then"))?,
                    otherwise: self.check(branch("else"))?,
                }
            }
            // `type`, what was read with its neighbour, and what only describes.
            _ => return Ok(None),
        }))
    }

    fn items(&mut self, object: &Map<String, Value>) -> Result<Rule, String> {
        let first = match object.get("prefixItems") {
            Some(first) => parts(first)?.iter().map(|child| self.part(child)).collect::<Result<_, _>>()?,
            None => Vec::new(),
        };
        Ok(Rule::Items { first, rest: self.rest(object.get("items"))? })
    }

    fn members(&mut self, object: &Map<String, Value>) -> Result<Members, String> {
        let children = |key: &str| object.get(key).and_then(Value::as_object).into_iter().flatten();
        let named = children("properties").map(|(name, child)| Ok((name.clone(), self.part(child)?)));
        let mut named = named.collect::<Result<Vec<_>, String>>()?;
        named.sort_by(|(a, _), (b, _)| a.cmp(b));
        let patterns =
            children("patternProperties").map(|(pattern, child)| Ok((regex(pattern)?, self.part(child)?)));
        let patterns = patterns.collect::<Result<_, String>>()?;
        Ok(Members { named, patterns, rest: self.rest(object.get("additionalProperties"))? })
    }

    fn rest(&mut self, schema: Option<&Value>) -> Result<Rest, String> {
        Ok(match schema {
            None | Some(Value::Bool(true)) => Rest::Open,
            Some(Value::Bool(false)) => Rest::Closed,
            Some(schema) => Rest::Fits(Box::new(self.part(schema)?)),
        })
    }

    /// Collects which members `object` and the schemas applied beside it speak of, each where `condition` holds.
    fn reach(
        &mut self,
        object: &Map<String, Value>,
        condition: &Value,
        reaches: &mut Vec<Reach>,
    ) -> Result<(), String> {
        if let Some(keyword) = ["if", "$ref"].into_iter().find(|keyword| object.contains_key(*keyword)) {
            return Err(format!("stands beside `{keyword}`, where it is not enforced"));
        }
        let keys = |key: &str| object.get(key).and_then(Value::as_object).into_iter().flat_map(Map::keys);
        let names: BTreeSet<String> = keys("properties").cloned().collect();
        let patterns =
            keys("patternProperties").map(|pattern| regex(pattern)).collect::<Result<Vec<_>, _>>()?;
        let all = object.contains_key("additionalProperties");
        reaches.push(Reach { check: self.check(condition)?, names, patterns, all });
        for child in
            ["allOf", "anyOf", "oneOf"].iter().filter_map(|key| object.get(*key)?.as_array()).flatten()
        {
            if let Value::Object(inner) = child {
                self.reach(inner, &json!({"allOf": [condition, child]}), reaches)?;
            }
        }
        Ok(())
    }

    fn checks(&mut self, value: &Value) -> Result<Vec<Check>, String> {
        parts(value)?.iter().map(|child| self.check(child)).collect()
    }
}

fn parts(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| "is no list".to_owned())
}

fn names(value: &Value) -> Result<Vec<String>, String> {
    let names = value.as_array().ok_or("is no list")?.iter().map(|name| name.as_str().map(str::to_owned));
    names.collect::<Option<_>>().ok_or_else(|| "holds something that is no name".to_owned())
}

fn number(value: &Value) -> Result<Number, String> {
    value.as_number().cloned().ok_or_else(|| "is no number".to_owned())
}

fn count(value: &Value) -> Result<usize, String> {
    let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| "is no whole number from 0 on".to_owned())
}
