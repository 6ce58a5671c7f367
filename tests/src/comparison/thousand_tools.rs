//! Makes the same two servers with a thousand tools: each is `get_price_async` under another name.

use std::borrow::Cow;

use candor::{
    __private::{Descriptor, Named, Run, Tool, Tools},
    Sandbox, Server, Service, State,
};

use super::{
    SCOPE,
    bare::BareServer,
    declared::{App, get_price_async},
};

/// The number of tools.
pub const TOOLS: usize = 1_000;

/// `get_price_async` as number `N`; if `CHANGED`, with another description, for comparisons of contracts. A thousand declarations would take a minute to compile, and measure the same.
struct Numbered<const N: usize, const CHANGED: bool>;

impl<const N: usize, const CHANGED: bool> Numbered<N, CHANGED> {
    const DIGITS: [u8; 4] = [b't', digit(N / 100), digit(N / 10), digit(N)];
}

#[expect(clippy::cast_possible_truncation, reason = "a digit")]
const fn digit(number: usize) -> u8 {
    b'0' + (number % 10) as u8
}

impl<const N: usize, const CHANGED: bool> Named for Numbered<N, CHANGED> {
    const NAME: &'static str = match str::from_utf8(&Self::DIGITS) {
        Ok(name) => name,
        Err(_) => unreachable!(),
    };
    const DESCRIPTOR: &'static Descriptor = {
        let declared = <get_price_async as Named>::DESCRIPTOR;
        let description = if CHANGED { "Look up another price." } else { declared.description };
        &Descriptor { name: Self::NAME, description, ..*declared }
    };
    type Holder = <get_price_async as Named>::Holder;
}

impl<const N: usize, const CHANGED: bool> Tool<App> for Numbered<N, CHANGED> {
    const RUN: Run<App> = <get_price_async as Tool<App>>::RUN;
}

/// Adds ten, a hundred, a thousand tools to a server.
macro_rules! numbered {
    ($server:expr, $changed:literal) => { numbered!(@hundreds $server, $changed, 0 1 2 3 4 5 6 7 8 9) };
    (@hundreds $server:expr, $changed:literal, $($hundred:literal)*) => {{
        let mut server = $server;
        $(server = numbered!(@tens server, $changed, $hundred, 0 1 2 3 4 5 6 7 8 9);)*
        server
    }};
    (@tens $server:expr, $changed:literal, $hundred:literal, $($ten:literal)*) => {
        $server$(.tools(numbered!(@ones $changed, $hundred * 100 + $ten * 10, 0 1 2 3 4 5 6 7 8 9)))*
    };
    (@ones $changed:literal, $base:expr, $($one:literal)*) => {
        Tools::from([$(<Numbered<{ $base + $one }, $changed> as Tool<App>>::ENTRY),*])
    };
}

/// Makes the declared server.
pub fn server() -> Server<impl State> {
    numbered!(empty(), false)
}

/// Makes the declared server, with another description of every tool.
pub fn changed_server() -> Server<impl State> {
    numbered!(empty(), true)
}

fn empty() -> Server<App> {
    Server::new("prices", "1.0.0").unaudited().state(App::default()).sandbox(Sandbox::Off)
}

/// Builds the declared server, with its scope granted.
///
/// # Panics
///
/// Never: the declarations are valid.
pub fn declared() -> Service {
    server().build().expect("the declarations are valid").grant(SCOPE)
}

/// Makes the bare server.
///
/// # Panics
///
/// Never: the tool exists.
pub fn bare() -> BareServer {
    let mut server = super::bare::server();
    let mut route = server.router.map.remove("get_price_async").expect("the tool exists");
    server.router.map.clear();
    for number in 0..TOOLS {
        // The macros write names as constants, which cost nothing to clone.
        route.attr.name = Cow::Borrowed(format!("t{number:03}").leak());
        server.router.add_route(route.clone());
    }
    server
}
