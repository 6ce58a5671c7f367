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

/// `get_price_async` as number `N`. A thousand declarations would take a minute to compile, and measure the same.
struct Numbered<const N: usize>;

impl<const N: usize> Numbered<N> {
    const DIGITS: [u8; 4] = [b't', digit(N / 100), digit(N / 10), digit(N)];
}

#[expect(clippy::cast_possible_truncation, reason = "a digit")]
const fn digit(number: usize) -> u8 {
    b'0' + (number % 10) as u8
}

impl<const N: usize> Named for Numbered<N> {
    const NAME: &'static str = match str::from_utf8(&Self::DIGITS) {
        Ok(name) => name,
        Err(_) => unreachable!(),
    };
    const DESCRIPTOR: &'static Descriptor =
        &Descriptor { name: Self::NAME, ..*<get_price_async as Named>::DESCRIPTOR };
    type Holder = <get_price_async as Named>::Holder;
}

impl<const N: usize> Tool<App> for Numbered<N> {
    const RUN: Run<App> = <get_price_async as Tool<App>>::RUN;
}

/// Adds ten, a hundred, a thousand tools to a server.
macro_rules! numbered {
    ($server:expr) => { numbered!(@hundreds $server, 0 1 2 3 4 5 6 7 8 9) };
    (@hundreds $server:expr, $($hundred:literal)*) => {{
        let mut server = $server;
        $(server = numbered!(@tens server, $hundred, 0 1 2 3 4 5 6 7 8 9);)*
        server
    }};
    (@tens $server:expr, $hundred:literal, $($ten:literal)*) => {
        $server$(.tools(numbered!(@ones $hundred * 100 + $ten * 10, 0 1 2 3 4 5 6 7 8 9)))*
    };
    (@ones $base:expr, $($one:literal)*) => {
        Tools::from([$(<Numbered<{ $base + $one }> as Tool<App>>::ENTRY),*])
    };
}

/// Makes the declared server.
pub fn server() -> Server<impl State> {
    let server = Server::new("prices", "1.0.0").unaudited().state(App::default()).sandbox(Sandbox::Off);
    numbered!(server)
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
