//! Defines the traits that an expansion implements, and the list that `tools!` makes of them.

use std::{pin::Pin, sync::Arc};

use super::{args::Args, call::Call, descriptor::Descriptor, outcome::Outcome, output::Reply};

/// The part of a declaration that does not depend on the server's state.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool",
    label = "not declared with `#[mcp_tool]`",
    note = "put `#[mcp_tool(read_only, …)]` on the function of this name"
)]
pub trait Named {
    /// The name on the wire.
    const NAME: &'static str;
    /// The whole declaration.
    const DESCRIPTOR: &'static Descriptor;
    /// The type whose reference says which handles the tool takes ([`Takes`](crate::Takes)).
    type Holder;
}

/// A tool that a server with the state `C` can run.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool of a server whose state is `{C}`",
    label = "not declared with `#[mcp_tool]`"
)]
pub trait Tool<C>: Named {
    /// Runs the function on the arguments of a call.
    const RUN: Run<C>;
    /// The tool whose answer the question for a confirmation shows.
    const PREVIEW: Option<(&'static Descriptor, Run<C>)> = None;
    /// The declaration together with the function.
    const ENTRY: Entry<C> = Entry { descriptor: Self::DESCRIPTOR, run: Self::RUN, preview: Self::PREVIEW };
}

/// The run of a handler.
pub type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// The function of a tool.
#[derive(Debug)]
pub enum Run<C> {
    /// A `fn`, which may block: it runs on a thread for blocking work.
    Blocking(fn(&C, &Call, Args) -> Outcome),
    /// An `async fn`.
    Async(for<'a> fn(&'a C, &'a Call, Args) -> HandlerFuture<'a>),
}

impl<C> Run<C> {
    /// The stand-in for a declaration that did not compile.
    #[doc(hidden)]
    pub const FALLBACK: Self = Self::Blocking(|_, _, _| Outcome::Done(Reply::default()));
}

impl<C> Clone for Run<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Run<C> {}

/// One tool of a server.
#[derive(Debug)]
pub struct Entry<C> {
    pub(crate) descriptor: &'static Descriptor,
    pub(crate) run: Run<C>,
    pub(crate) preview: Option<(&'static Descriptor, Run<C>)>,
}

/// Tools of a server whose state is `C`, as [`tools!`](crate::tools) lists them.
#[derive(Debug)]
pub struct Tools<C>(pub(crate) Vec<Entry<C>>);

impl<C, const N: usize> From<[Entry<C>; N]> for Tools<C> {
    fn from(entries: [Entry<C>; N]) -> Self {
        Self(entries.into())
    }
}

/// A function bound to its state, without the state's type.
#[derive(Clone)]
pub(crate) enum Handler {
    Blocking(Arc<BlockingFn>),
    Async(Arc<AsyncFn>),
}

type BlockingFn = dyn Fn(&Call, Args) -> Outcome + Send + Sync;
type AsyncFn = dyn Fn(Arc<Call>, Args) -> HandlerFuture<'static> + Send + Sync;

impl Handler {
    pub(crate) fn bind<C: Send + Sync + 'static>(run: Run<C>, state: &Arc<C>) -> Self {
        let state = Arc::clone(state);
        match run {
            Run::Blocking(run) => Self::Blocking(Arc::new(move |call, args| run(&state, call, args))),
            Run::Async(run) => Self::Async(Arc::new(move |call, args| {
                let state = Arc::clone(&state);
                Box::pin(async move { run(&state, &call, args).await })
            })),
        }
    }
}

/// Returns the index of the first name that occurs earlier in the list; `usize::MAX` if all differ. Evaluated by the
/// compiler.
#[doc(hidden)]
pub const fn duplicate(names: &[&str]) -> usize {
    let mut at = 1;
    while at < names.len() {
        let mut before = 0;
        while before < at {
            if same(names[before].as_bytes(), names[at].as_bytes()) {
                return at;
            }
            before += 1;
        }
        at += 1;
    }
    usize::MAX
}

/// Returns the index of the first tool with an alias that is the name or an alias of another; `usize::MAX` if there is
/// none. `names` and `aliases` are in the same order. Evaluated by the compiler.
#[doc(hidden)]
pub const fn taken_alias(names: &[&str], aliases: &[&[&str]]) -> usize {
    let mut at = 0;
    while at < aliases.len() {
        let mut alias = 0;
        while alias < aliases[at].len() {
            let mut other = 0;
            while other < names.len() {
                if other != at && leads_to(aliases[at][alias], names[other], aliases[other]) {
                    return at;
                }
                other += 1;
            }
            alias += 1;
        }
        at += 1;
    }
    usize::MAX
}

/// Whether `word` is the name or an alias of a tool.
const fn leads_to(word: &str, name: &str, aliases: &[&str]) -> bool {
    if same(word.as_bytes(), name.as_bytes()) {
        return true;
    }
    let mut at = 0;
    while at < aliases.len() {
        if same(word.as_bytes(), aliases[at].as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}
