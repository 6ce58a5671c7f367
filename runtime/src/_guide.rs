//! A guide to Candor: fifteen pages, each read in ten minutes, whose programs are compiled and run by the tests.
//!
//! | page | about |
//! | --- | --- |
//! | [First server](first_server) | a server, its command line, and an MCP host that starts it |
//! | [Arguments and state](arguments_and_state) | parameters, bounds, rules between them, and handles that tools share |
//! | [Pools, drivers and threads](pools) | where handlers run, and where to start what they share |
//! | [Errors a model can use](errors) | refusals and failures that say what to do next |
//! | [Effects and the sandbox](effects_and_sandbox) | the effect of a tool, what enforces it, and what does not |
//! | [Confirmation and questions](confirmation_and_questions) | asking the user before a call, and during one |
//! | [Scopes and HTTP](scopes_and_http) | which caller may call which tool, and serving over the network |
//! | [Idempotency](idempotency) | calls that are sent again and must not run again |
//! | [Embedding](embedding) | a server inside a program that has its own command line, streams or web server |
//! | [Testing](testing) | tests of a handler, of a server and of a process |
//! | [Running it in production](production) | a checklist, and how to see that each line holds |
//! | [Several replicas](replicas) | one server in many processes behind a balancer, on a PostgreSQL database |
//! | [The audit log for operators](audit_log) | reading, signing and verifying the log |
//! | [Changing a server](changing_a_server) | renaming, deprecating, and finding changes that break callers |
//! | [Contributing](contributing) | building and testing Candor, a map of it, and how to add a rule |
//!
//! The first two pages are for everyone who writes a server; each of the others stands alone. The reference of every key is the
//! documentation of [`mcp_tool`](macro@crate::mcp_tool).
//!
//! Programs on these pages need `cargo add candor serde_json` and `cargo add tokio --features full`. Types of parameters and
//! results also need `cargo add schemars` and `cargo add serde --features derive`. Commands are those of the example server
//! `prices` of the repository: put `cargo run -q -p candor-examples --bin` before them, and `--` after `prices`.

#[doc = include_str!("_guide/arguments_and_state.md")]
pub mod arguments_and_state {}
#[doc = include_str!("_guide/audit_log.md")]
pub mod audit_log {}
#[doc = include_str!("_guide/changing_a_server.md")]
pub mod changing_a_server {}
#[doc = include_str!("_guide/confirmation_and_questions.md")]
pub mod confirmation_and_questions {}
#[doc = include_str!("_guide/contributing.md")]
pub mod contributing {}
#[doc = include_str!("_guide/effects_and_sandbox.md")]
pub mod effects_and_sandbox {}
#[doc = include_str!("_guide/embedding.md")]
pub mod embedding {}
#[doc = include_str!("_guide/errors.md")]
pub mod errors {}
#[doc = include_str!("_guide/first_server.md")]
pub mod first_server {}
#[doc = include_str!("_guide/idempotency.md")]
pub mod idempotency {}
#[doc = include_str!("_guide/pools.md")]
pub mod pools {}
#[doc = include_str!("_guide/production.md")]
pub mod production {}
#[doc = include_str!("_guide/replicas.md")]
pub mod replicas {}
#[doc = include_str!("_guide/scopes_and_http.md")]
pub mod scopes_and_http {}
#[doc = include_str!("_guide/testing.md")]
pub mod testing {}
