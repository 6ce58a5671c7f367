//! Serves a tool whose types hold each other: the four kinds of nodes of a small language.

use candor::{Server, mcp_tool, tools};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A value.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Expression {
    /// A number.
    Number {
        /// The number.
        value: f64,
    },
    /// A name.
    Name {
        /// The name.
        name: String,
    },
    /// Two operands.
    Binary {
        /// The operator.
        operator: String,
        /// The first operand.
        left: Box<Expression>,
        /// The second operand.
        right: Box<Expression>,
    },
    /// A call.
    Call {
        /// The function.
        function: Box<Expression>,
        /// The arguments.
        arguments: Vec<Expression>,
    },
    /// A match.
    Match {
        /// The value that is matched.
        value: Box<Expression>,
        /// The arms.
        arms: Vec<(Pattern, Expression)>,
    },
    /// A block.
    Block {
        /// The statements.
        statements: Vec<Statement>,
        /// The value of the block.
        result: Option<Box<Expression>>,
    },
}

/// A step.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Statement {
    /// A binding.
    Let {
        /// The names to bind.
        pattern: Pattern,
        /// Its type.
        r#type: Option<Type>,
        /// The value.
        value: Expression,
    },
    /// A loop.
    While {
        /// The condition.
        condition: Expression,
        /// The body.
        body: Vec<Statement>,
    },
    /// A branch.
    If {
        /// The condition.
        condition: Expression,
        /// If it holds.
        then: Vec<Statement>,
        /// If it does not.
        otherwise: Option<Vec<Statement>>,
    },
    /// A function.
    Function {
        /// The parameters.
        parameters: Vec<(Pattern, Type)>,
        /// The body.
        body: Box<Statement>,
    },
    /// A value that is dropped.
    Expression {
        /// The value.
        value: Expression,
    },
}

/// A form that takes a value apart.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// Anything.
    Any,
    /// A name for it.
    Name(String),
    /// A literal.
    Literal(Box<Expression>),
    /// The parts.
    Parts(Vec<Pattern>),
    /// A type.
    Typed {
        /// The pattern.
        pattern: Box<Pattern>,
        /// The type.
        r#type: Type,
    },
}

/// A set of values.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", content = "of", rename_all = "snake_case")]
pub enum Type {
    /// A name.
    Named(String),
    /// A list.
    List(Box<Type>),
    /// A function.
    Function {
        /// The parameters.
        parameters: Vec<Type>,
        /// The result.
        result: Box<Type>,
    },
    /// An array of a length that is computed.
    Array {
        /// The items.
        item: Box<Type>,
        /// The length.
        length: Box<Expression>,
    },
}

/// Run a program.
#[mcp_tool(read_only, closed_world, public)]
fn run(
    /// The program.
    program: Vec<Statement>,
    /// The value to begin with.
    first: Option<Expression>,
) -> Vec<Statement> {
    let first = first.map(|value| Statement::Expression { value });
    first.into_iter().chain(program).collect()
}

/// The whole server.
pub fn server() -> Server {
    Server::new("syntax-tree", "1.0.0").unaudited().tools(tools![run])
}
