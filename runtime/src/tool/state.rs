//! Defines the state that tools share: handles that are found by type, each with its access to the world.

use std::marker::PhantomData;

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
/// A `read_only` tool that takes `&Alerts` does not compile, because the handle is marked `write`. A `closed_world` tool
/// that takes a handle marked `network` does not compile either. `#[state(skip)]` leaves a field out. A
/// field whose type, or a type between its `<` and `>`, has a name such as `File`, `Pool`, `Client` or `Sender` needs a mark;
/// `#[state(read)]` says that its handle can do neither, although the name suggests it. The kernel's sandbox does not cover a
/// descriptor that a field holds: [what the sandbox is and is not](crate::Sandbox).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the state of a server",
    label = "derive `State` on this type",
    note = "`#[derive(candor::State)]` on a struct with a field for each handle"
)]
pub trait State: Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl State for () {}

/// A type that stands for a tool whose handles the state `C` has: `Handles` is the handle or, of several, a tuple of references.
#[diagnostic::on_unimplemented(
    message = "the server's state `{C}` lacks a field that this tool takes: `{Handles}`",
    label = "takes `&` of a field",
    note = "a tool takes fields of the state, not the state itself: call `.state(…)` before `.tools(…)`, with a state that has a field of each such type; without `&`, the caller sends the value"
)]
pub trait Takes<C, Handles: ?Sized> {
    /// The state's type.
    const STATE: PhantomData<C> = PhantomData;
}

/// A state with a handle of type `T`.
#[diagnostic::on_unimplemented(
    message = "the server's state `{Self}` has no field of type `{T}`",
    label = "a tool here takes `&{T}`",
    note = "a tool takes fields of the state, not the state itself: call `.state(…)` before `.tools(…)`, with a state that has a field of type `{T}`; without `&`, the caller sends `{T}`"
)]
pub trait Provide<T: ?Sized> {
    /// The access of the handle to the world.
    type Access;
    /// Returns the handle.
    fn provide(&self) -> &T;
}

/// The access of a handle that can neither write nor reach the network.
#[derive(Debug)]
pub struct Plain;
/// The access of a handle that can write.
#[derive(Debug)]
pub struct Write;
/// The access of a handle that can reach the network.
#[derive(Debug)]
pub struct Network;
/// The access of a handle that can do both.
#[derive(Debug)]
pub struct WriteAndNetwork;

/// The access that a `read_only` tool may have.
#[diagnostic::on_unimplemented(
    message = "`read_only` tool `{Tool}` takes `&{T}`, and the state marks `{T}` as `write`",
    label = "this tool",
    note = "declare the tool `additive` or `destructive`, or delete `#[state(write)]` from the field if the handle only reads"
)]
pub trait InReadOnly<Tool: ?Sized, T: ?Sized> {}

impl<Tool: ?Sized, T: ?Sized> InReadOnly<Tool, T> for Plain {}
impl<Tool: ?Sized, T: ?Sized> InReadOnly<Tool, T> for Network {}

/// The access that a `closed_world` tool may have.
#[diagnostic::on_unimplemented(
    message = "`closed_world` tool `{Tool}` takes `&{T}`, and the state marks `{T}` as `network`",
    label = "this tool",
    note = "delete `closed_world` from the tool, or `#[state(network)]` from the field if the handle reaches no network"
)]
pub trait InClosedWorld<Tool: ?Sized, T: ?Sized> {}

impl<Tool: ?Sized, T: ?Sized> InClosedWorld<Tool, T> for Plain {}
impl<Tool: ?Sized, T: ?Sized> InClosedWorld<Tool, T> for Write {}
