//! Reads `#[param(…)]`: the bounds, values and flags of a parameter, not yet checked against its type.

use std::collections::HashSet;

use darling::ast::NestedMeta;
use proc_macro2::TokenStream;
use quote::ToTokens;
use regex_syntax::hir::ErrorKind;
use syn::{Attribute, Expr, ExprLit, ExprUnary, Ident, Lit, LitStr, Meta, Path, UnOp};

use crate::{
    error::{Mistake, Mistakes},
    key::{self, DESCRIPTION, Grammar, count, flag, strip, text, value_or_item},
};

/// The keys of `#[param(…)]`.
#[derive(Default)]
pub(crate) struct ParamAttr {
    pub(crate) min: Option<Value>,
    pub(crate) max: Option<Value>,
    pub(crate) min_len: Option<(u64, Ident)>,
    pub(crate) max_len: Option<(u64, Ident)>,
    pub(crate) pattern: Option<(LitStr, Ident)>,
    pub(crate) default: Option<Value>,
    pub(crate) example: Option<Value>,
    pub(crate) name: Option<LitStr>,
    pub(crate) secret: Option<Ident>,
    pub(crate) volatile: Option<Ident>,
    pub(crate) lenient: Option<Ident>,
    /// Whether the user wrote a description as a key.
    pub(crate) has_description_key: bool,
    first: Option<Path>,
}

/// A literal, with the tokens to underline.
#[derive(Clone)]
pub(crate) struct Value {
    pub(crate) literal: Literal,
    pub(crate) key: Ident,
    pub(crate) tokens: TokenStream,
}

impl ToTokens for Value {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.tokens.to_tokens(tokens);
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Text(String),
    Int(i128),
    Float(f64),
    Bool(bool),
    List(Vec<Literal>),
}

const GRAMMAR: Grammar = Grammar {
    list: "`param`",
    keys: &[
        "min", "max", "min_len", "max_len", "pattern", "default", "example", "name", "secret", "volatile",
        "lenient",
    ],
    example: "#[param(min = 1, max = 100)]",
};

impl ParamAttr {
    /// Reads every `#[param(…)]` among `attributes`.
    pub(crate) fn read(attributes: &[Attribute], mistakes: &mut Mistakes) -> Self {
        let mut attr = Self::default();
        let mut seen = HashSet::new();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("param")) {
            attr.first.get_or_insert_with(|| attribute.path().clone());
            let Meta::List(list) = &attribute.meta else {
                mistakes.push(
                    Mistake::at(&attribute.meta, "`param` takes a list")
                        .help(format!("for example `{}`", GRAMMAR.example)),
                );
                continue;
            };
            let items = GRAMMAR.items(list.tokens.clone(), mistakes).unwrap_or_default();
            GRAMMAR.each(&items, &mut seen, mistakes, |key, item, mistakes| attr.take(key, item, mistakes));
        }
        attr.has_description_key = seen.contains(DESCRIPTION);
        attr
    }

    /// Returns the first `param` that was written, to underline it.
    pub(crate) fn first(&self) -> Option<&Path> {
        self.first.as_ref()
    }

    fn take(&mut self, key: Ident, item: &NestedMeta, mistakes: &mut Mistakes) {
        match key.to_string().as_str() {
            "min" => self.min = mistakes.handle(number(key, item)),
            "max" => self.max = mistakes.handle(number(key, item)),
            "min_len" => self.min_len = mistakes.handle(count(item, 0, "min_len = 1")).map(|n| (n, key)),
            "max_len" => self.max_len = mistakes.handle(count(item, 0, "max_len = 200")).map(|n| (n, key)),
            "pattern" => self.pattern = mistakes.handle(pattern(item)).map(|pattern| (pattern, key)),
            "default" => self.default = mistakes.handle(value(key, item)),
            "example" => self.example = mistakes.handle(value(key, item)),
            "name" => self.name = mistakes.handle(text(item, "name = \"type\"")),
            "secret" => self.secret = mistakes.handle(flag(key, item)),
            "volatile" => self.volatile = mistakes.handle(flag(key, item)),
            "lenient" => self.lenient = mistakes.handle(flag(key, item)),
            other => unreachable!("`{other}` is in the grammar and has no arm"),
        }
    }
}

fn number(key: Ident, item: &NestedMeta) -> Result<Value, Mistake> {
    match read(item) {
        Some((literal @ (Literal::Int(_) | Literal::Float(_)), tokens)) => Ok(Value { literal, key, tokens }),
        _ => Err(Mistake::at(value_or_item(item), format!("`{key}` takes a number"))
            .help(format!("for example `{key} = 1`"))),
    }
}

/// Reads the literal of `key = …`.
pub(crate) fn value(key: Ident, item: &NestedMeta) -> Result<Value, Mistake> {
    match read(item) {
        Some((literal, tokens)) => Ok(Value { literal, key, tokens }),
        None => Err(Mistake::at(value_or_item(item), format!("`{key}` takes a literal"))
            .note("the value becomes part of a constant, from which the schema is made")
            .help(format!("for example `{key} = 10`, `{key} = \"daily\"` or `{key} = [1, 2]`"))),
    }
}

fn read(item: &NestedMeta) -> Option<(Literal, TokenStream)> {
    let value = key::value(item)?;
    Some((literal(value)?, value.to_token_stream()))
}

/// Reads a literal, a negative number, or a list of them.
pub(crate) fn literal(expr: &Expr) -> Option<Literal> {
    match strip(expr) {
        Expr::Lit(ExprLit { lit, .. }) => match lit {
            Lit::Str(text) => Some(Literal::Text(text.value())),
            Lit::Char(text) => Some(Literal::Text(text.value().to_string())),
            Lit::Int(number) => number.base10_parse().ok().map(Literal::Int),
            Lit::Float(number) => {
                number.base10_parse().ok().filter(|n: &f64| n.is_finite()).map(Literal::Float)
            }
            Lit::Bool(value) => Some(Literal::Bool(value.value)),
            _ => None,
        },
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => match literal(expr)? {
            Literal::Int(number) => Some(Literal::Int(-number)),
            Literal::Float(number) => Some(Literal::Float(-number)),
            _ => None,
        },
        Expr::Array(array) => array.elems.iter().map(literal).collect::<Option<_>>().map(Literal::List),
        _ => None,
    }
}

/// Reads a regular expression that matches in linear time: no look-around, no back-references.
fn pattern(item: &NestedMeta) -> Result<LitStr, Mistake> {
    let literal = text(item, "pattern = \"^[A-Z]{1,5}$\"")?;
    match regex_syntax::parse(&literal.value()) {
        Ok(_) => Ok(literal),
        Err(error) => {
            let mut help = "for example `pattern = \"^[A-Z]{1,5}$\"`";
            let reason = match &error {
                regex_syntax::Error::Parse(error) => error.kind().to_string(),
                // Case folding needs tables that would be in every server.
                regex_syntax::Error::Translate(error)
                    if *error.kind() == ErrorKind::UnicodeCaseUnavailable =>
                {
                    help = "list both cases, as in `[Aa]`";
                    "patterns of JSON Schema do not have the flag `i`".to_owned()
                }
                regex_syntax::Error::Translate(error) => error.kind().to_string(),
                other => other.to_string(),
            };
            Err(Mistake::at(&literal, format!("this `pattern` cannot be compiled: {reason}"))
                .note("a pattern is a regular expression that matches in linear time, without look-around")
                .help(help))
        }
    }
}

impl Literal {
    /// Returns a number to compare with, if the literal is a number.
    #[expect(clippy::cast_precision_loss, reason = "the float is only compared")]
    pub(crate) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }
}
