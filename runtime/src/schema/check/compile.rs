//! Compiles a schema, once, when a server is built.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Map, Number, Value, json};

use super::{
    Checker, EvaluatedProperties, Keyword, MemberRules, Rest, Types, format,
    pattern::regex,
    refer::{Target, Targets},
};
use crate::{message::Message, ordered::CollectOrdered as _};

static ANYTHING: Value = Value::Bool(true);

/// Keywords that constrain values and are not checked here: a schema that has one would promise too much.
const NOT_ENFORCED: [&str; 5] =
    ["$dynamicRef", "unevaluatedItems", "dependentSchemas", "dependencies", "additionalItems"];

impl Checker {
    /// Compiles `schema`.
    ///
    /// # Errors
    ///
    /// A keyword with an operand of the wrong form, an invalid pattern, or a keyword that is not enforced here.
    pub fn new(schema: &Value) -> Result<Self, Message> {
        let mut compiler = Compiler { targets: Targets::of(schema)? };
        let mut checker = compiler.check(schema)?;
        let targets = compiler.targets.finish()?;
        if !targets.is_empty() {
            checker.keywords.push(Keyword::Targets(targets));
        }
        Ok(checker)
    }
}

/// A schema that is being compiled, and the targets of its references.
struct Compiler<'a> {
    targets: Targets<'a>,
}

fn types(object: &Map<String, Value>) -> Result<Types, Message> {
    let named = |name: &Value| {
        let ty = name.as_str().and_then(Types::named);
        ty.ok_or_else(|| invalid("type", "a type of JSON"))
    };
    match object.get("type") {
        None => Ok(Types::ANY),
        Some(Value::Array(names)) => {
            names.iter().try_fold(Types::NONE, |types, name| Ok(types.or(named(name)?)))
        }
        Some(name) => named(name),
    }
}

/// The order in which keywords are checked: cheap ones first, since they may refuse the value.
fn cost(keyword: &Keyword) -> u8 {
    match keyword {
        Keyword::Required(_) | Keyword::MinItems(_) | Keyword::MaxItems(_) => 0,
        Keyword::Pattern(..) => 2,
        Keyword::UniqueItems | Keyword::UnevaluatedProperties(..) | Keyword::Ref(_) => 3,
        _ => 1,
    }
}

impl Compiler<'_> {
    fn check(&mut self, schema: &Value) -> Result<Checker, Message> {
        let object = match schema {
            Value::Bool(true) => return Ok(Checker { types: Types::ANY, keywords: Vec::new() }),
            Value::Bool(false) => return Ok(Checker { types: Types::NONE, keywords: Vec::new() }),
            Value::Object(object) => object,
            _ => return Err(Message::new("a schema must be an object or a boolean")),
        };
        if let Some(name) = NOT_ENFORCED.iter().find(|name| object.contains_key(**name)) {
            return Err(Message::new(format!("its schema uses `{name}`, which is not enforced")));
        }
        let mut keywords = Vec::new();
        for (name, operand) in object {
            keywords.extend(self.keyword(object, name, operand)?);
        }
        keywords.sort_by_key(cost);
        Ok(Checker { types: types(object)?, keywords })
    }

    /// Compiles a schema for a part of the value.
    fn part(&mut self, schema: &Value) -> Result<Checker, Message> {
        let whole = self.targets.leave();
        let checker = self.check(schema);
        self.targets.enter(whole);
        checker
    }

    /// Returns the target of `reference`, compiled when the first reference to it is met.
    fn target(&mut self, reference: &Value) -> Result<Target, Message> {
        let reference = text("$ref", reference)?;
        if let Some(target) = self.targets.get(reference) {
            return Ok(target);
        }
        let (target, schema) = self.targets.add(reference)?;
        let whole = self.targets.enter(Some(reference.to_owned()));
        let checker = self.check(schema);
        self.targets.enter(whole);
        self.targets.set(reference, checker?);
        Ok(target)
    }

    fn keyword(
        &mut self,
        object: &Map<String, Value>,
        name: &str,
        operand: &Value,
    ) -> Result<Option<Keyword>, Message> {
        Ok(Some(match name {
            "enum" => Keyword::Enum(list(name, operand)?.clone()),
            "const" => Keyword::Const(operand.clone()),
            "minimum" => Keyword::Minimum(number(name, operand)?),
            "maximum" => Keyword::Maximum(number(name, operand)?),
            "exclusiveMinimum" => Keyword::ExclusiveMinimum(number(name, operand)?),
            "exclusiveMaximum" => Keyword::ExclusiveMaximum(number(name, operand)?),
            "multipleOf" if operand.as_f64().is_some_and(|of| of <= 0.0) => {
                return Err(invalid(name, "a number above 0"));
            }
            "multipleOf" => Keyword::MultipleOf(number(name, operand)?),
            "minLength" => Keyword::MinLength(count(name, operand)?),
            "maxLength" => Keyword::MaxLength(count(name, operand)?),
            "pattern" => {
                let pattern = text(name, operand)?;
                Keyword::Pattern(pattern.to_owned(), compiled(name, pattern)?)
            }
            "format" => {
                let format = text(name, operand)?;
                let Some(holds) = format::named(format) else { return Ok(None) };
                Keyword::Format(format.to_owned(), holds)
            }
            "minItems" => Keyword::MinItems(count(name, operand)?),
            "maxItems" => Keyword::MaxItems(count(name, operand)?),
            "uniqueItems" if operand == &Value::Bool(true) => Keyword::UniqueItems,
            "prefixItems" if object.contains_key("items") => return Ok(None),
            "items" | "prefixItems" => self.items(object)?,
            "contains" => Keyword::Contains {
                check: self.part(operand)?,
                min: object.get("minContains").map_or(Ok(1), |min| count("minContains", min))?,
                max: object.get("maxContains").map_or(Ok(usize::MAX), |max| count("maxContains", max))?,
            },
            "minProperties" => Keyword::MinProperties(count(name, operand)?),
            "maxProperties" => Keyword::MaxProperties(count(name, operand)?),
            "required" => Keyword::Required(names(name, operand)?),
            "dependentRequired" => {
                let all = operand.as_object().ok_or_else(|| invalid(name, "an object"))?;
                let all = all.iter().map(|(property, needs)| Ok((property.clone(), names(name, needs)?)));
                Keyword::DependentRequired(all.collect::<Result<_, Message>>()?)
            }
            "$ref" => Keyword::Ref(self.target(operand)?),
            "propertyNames" => Keyword::PropertyNames(self.part(operand)?),
            "properties" | "patternProperties" | "additionalProperties" => {
                let all = ["properties", "patternProperties", "additionalProperties"];
                // The first of them that the schema has compiles all three.
                if all.into_iter().find(|key| object.contains_key(*key)) != Some(name) {
                    return Ok(None);
                }
                Keyword::Members(self.members(object)?)
            }
            "unevaluatedProperties" => {
                let mut reaches = Vec::new();
                // The schema itself always applies; a part of it counts if the part fits.
                self.reach(object, &Value::Bool(true), &mut reaches)?;
                Keyword::UnevaluatedProperties(reaches, self.part(operand)?)
            }
            "allOf" => Keyword::AllOf(self.checkers(name, operand)?),
            "anyOf" => Keyword::AnyOf(self.checkers(name, operand)?),
            "oneOf" => Keyword::OneOf(self.checkers(name, operand)?),
            "not" => Keyword::Not(self.check(operand)?),
            "if" => {
                let branch = |key| object.get(key).unwrap_or(&ANYTHING);
                Keyword::If {
                    condition: self.check(operand)?,
                    then: self.check(branch("then"))?,
                    otherwise: self.check(branch("else"))?,
                }
            }
            // `type`, keywords that were compiled with their neighbour, and annotations.
            _ => return Ok(None),
        }))
    }

    fn items(&mut self, object: &Map<String, Value>) -> Result<Keyword, Message> {
        let first = match object.get("prefixItems") {
            Some(first) => {
                let first = list("prefixItems", first)?.iter();
                first.map(|child| self.part(child)).collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        };
        Ok(Keyword::Items { first, rest: self.rest(object.get("items"))? })
    }

    fn members(&mut self, object: &Map<String, Value>) -> Result<MemberRules, Message> {
        let children = |key: &str| object.get(key).and_then(Value::as_object).into_iter().flatten();
        let named = children("properties").map(|(name, child)| Ok((name.clone(), self.part(child)?)));
        let mut named = named.collect::<Result<Vec<_>, Message>>()?;
        named.sort_by(|(a, _), (b, _)| a.cmp(b));
        let patterns = children("patternProperties")
            .map(|(pattern, child)| Ok((compiled("patternProperties", pattern)?, self.part(child)?)));
        let patterns = patterns.collect::<Result<_, Message>>()?;
        Ok(MemberRules { named, patterns, rest: self.rest(object.get("additionalProperties"))? })
    }

    fn rest(&mut self, schema: Option<&Value>) -> Result<Rest, Message> {
        Ok(match schema {
            None | Some(Value::Bool(true)) => Rest::Open,
            Some(Value::Bool(false)) => Rest::Closed,
            Some(schema) => Rest::Fits(Box::new(self.part(schema)?)),
        })
    }

    /// Collects the properties that `object` and the schemas applied beside it evaluate, each part with the condition
    /// on which it applies.
    fn reach(
        &mut self,
        object: &Map<String, Value>,
        condition: &Value,
        reaches: &mut Vec<EvaluatedProperties>,
    ) -> Result<(), Message> {
        if let Some(neighbour) = ["if", "$ref"].into_iter().find(|key| object.contains_key(*key)) {
            return Err(Message::new(format!(
                "its schema has `unevaluatedProperties` beside `{neighbour}`, where it is not enforced"
            )));
        }
        let keys = |key: &str| object.get(key).and_then(Value::as_object).into_iter().flat_map(Map::keys);
        let names: BTreeSet<String> = keys("properties").cloned().collect_ordered();
        let patterns = keys("patternProperties").map(|pattern| compiled("patternProperties", pattern));
        let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
        let all = object.contains_key("additionalProperties");
        reaches.push(EvaluatedProperties { check: self.check(condition)?, names, patterns, all });
        for child in
            ["allOf", "anyOf", "oneOf"].iter().filter_map(|key| object.get(*key)?.as_array()).flatten()
        {
            if let Value::Object(inner) = child {
                self.reach(inner, &json!({"allOf": [condition, child]}), reaches)?;
            }
        }
        Ok(())
    }

    fn checkers(&mut self, name: &str, operand: &Value) -> Result<Vec<Checker>, Message> {
        list(name, operand)?.iter().map(|child| self.check(child)).collect()
    }
}

fn invalid(keyword: &str, expected: &str) -> Message {
    Message::new(format!("`{keyword}` of its schema must be {expected}"))
}

fn compiled(keyword: &str, pattern: &str) -> Result<Regex, Message> {
    regex(pattern).map_err(|_| invalid(keyword, "a regular expression that compiles to at most 1 MiB"))
}

fn text<'a>(keyword: &str, operand: &'a Value) -> Result<&'a str, Message> {
    operand.as_str().ok_or_else(|| invalid(keyword, "a string"))
}

fn list<'a>(keyword: &str, operand: &'a Value) -> Result<&'a Vec<Value>, Message> {
    operand.as_array().ok_or_else(|| invalid(keyword, "a list"))
}

fn names(keyword: &str, operand: &Value) -> Result<Vec<String>, Message> {
    let names = list(keyword, operand)?.iter().map(|name| name.as_str().map(str::to_owned));
    names.collect::<Option<_>>().ok_or_else(|| invalid(keyword, "a list of names"))
}

fn number(keyword: &str, operand: &Value) -> Result<Number, Message> {
    operand.as_number().cloned().ok_or_else(|| invalid(keyword, "a number"))
}

fn count(keyword: &str, operand: &Value) -> Result<usize, Message> {
    let count = operand.as_u64().and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| invalid(keyword, "a whole number of at least 0"))
}
