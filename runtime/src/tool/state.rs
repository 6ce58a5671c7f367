//! What tools share: handles found by type, each with what it can do to the world.

/// The state that a server's tools share. Derive it on a struct; each field becomes a handle.
///
/// ```
/// use candor::State;
///
/// struct Prices;
/// struct Alerts;
///
/// #[derive(State)]
/// struct App {
///     prices: Prices,
///     #[state(write)]
///     alerts: Alerts,
/// }
/// ```
///
/// A tool that takes `&Alerts` and says `read_only` does not compile: `write` says what holding the handle makes
/// possible. `network` does the same for `closed_world`. `#[state(skip)]` leaves a field out, and `#[state(read)]` says that a
/// handle does neither, where the name of its type suggests otherwise.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the state of a server",
    label = "derive `State` on this type",
    note = "`#[derive(candor::State)]` on a struct with a field for each handle"
)]
pub trait State: Send + Sync + 'static {}

impl State for () {}

/// A state that holds a `T`.
#[diagnostic::on_unimplemented(
    message = "the server's state `{Self}` has no field of type `{T}`",
    label = "a tool here takes `&{T}`",
    note = "call `.state(…)` before `.tools(…)`, with a state that has a field of type `{T}`; without `&`, the caller sends `{T}`"
)]
pub trait Provide<T: ?Sized> {
    /// What the handle can do to the world.
    type Access;
    /// The handle.
    fn provide(&self) -> &T;
}

/// A handle that neither writes nor leaves the server.
#[derive(Debug)]
pub struct Plain;
/// A handle that can write.
#[derive(Debug)]
pub struct Write;
/// A handle that can reach the network.
#[derive(Debug)]
pub struct Network;
/// A handle that can do both.
#[derive(Debug)]
pub struct WriteAndNetwork;

/// What a `read_only` tool may hold.
#[diagnostic::on_unimplemented(
    message = "`read_only` tool `{Tool}` takes `&{T}`, and the state marks `{T}` as `write`",
    label = "this tool",
    note = "declare the tool `additive` or `destructive`, or delete `#[state(write)]` from the field if the handle only reads"
)]
pub trait InReadOnly<Tool: ?Sized, T: ?Sized> {}

impl<Tool: ?Sized, T: ?Sized> InReadOnly<Tool, T> for Plain {}
impl<Tool: ?Sized, T: ?Sized> InReadOnly<Tool, T> for Network {}

/// What a `closed_world` tool may hold.
#[diagnostic::on_unimplemented(
    message = "`closed_world` tool `{Tool}` takes `&{T}`, and the state marks `{T}` as `network`",
    label = "this tool",
    note = "delete `closed_world` from the tool, or `#[state(network)]` from the field if the handle reaches no network"
)]
pub trait InClosedWorld<Tool: ?Sized, T: ?Sized> {}

impl<Tool: ?Sized, T: ?Sized> InClosedWorld<Tool, T> for Plain {}
impl<Tool: ?Sized, T: ?Sized> InClosedWorld<Tool, T> for Write {}
