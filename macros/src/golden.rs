//! Expansions as a reader would see them, kept in `goldens/`. `UPDATE_GOLDENS=1 cargo test -p candor-macros` rewrites them.

use std::{env, fs, path::Path};

use proc_macro2::TokenStream;
use quote::quote;

#[test]
fn two_parameters() {
    let function = quote! {
        /// Closing price of one symbol on one day.
        fn get_stock_price(
            /// Ticker symbol.
            #[param(pattern = "^[A-Z]{1,5}$")]
            symbol: String,
            /// How many days ago.
            #[param(max = 30, default = 0)]
            days: u32,
        ) -> f64 {
            price(&symbol, days)
        }
    };
    holds(
        "two_parameters",
        crate::tool::declare(quote!(read_only, closed_world, scope = "read:prices"), function),
    );
}

#[test]
fn state_and_context() {
    let function = quote! {
        /// Delete every alert of some symbols.
        pub(crate) async fn clear_alerts(
            alerts: &Alerts,
            call: &Call,
            /// Ticker symbols.
            symbols: &[Symbol],
        ) -> Result<Cleared, AlertError> {
            alerts.clear(symbols, call).await
        }
    };
    holds(
        "state_and_context",
        crate::tool::declare(quote!(destructive, idempotent, closed_world, scope = "write:alerts"), function),
    );
}

#[test]
fn everything_said() {
    let attribute = quote! {
        additive,
        idempotent,
        scope = "write:alerts read:prices",
        name = "set-alert",
        title = "Set an alert",
        confirm = "always",
        idempotency_key = "required",
        rate = "60/min",
        max_in_flight = 8,
        timeout = "90s",
        retry = 3,
        audit = "best_effort",
        task = "optional",
        deprecated(since = "0.0.1", remove_in = "1000.0.0", use_instead = alerts::add),
        unsandboxed = "keeps a cache file of its own",
        rules(when(r#type = "above", price)),
        crate = ::renamed
    };
    let function = quote! {
        /// Set an alert.
        #[cfg(unix)]
        fn r#match(
            /// The kind of alert.
            #[param(name = "kind", min_len = 1, max_len = 8, example = "above")]
            r#type: &str,
            /// The price.
            #[param(min = -0.5, max = 1e6, volatile)]
            price: Option<f64>,
            #[doc = concat!("The caller's ", "token.")]
            #[param(secret)]
            token: String,
        ) {
        }
    };
    holds("everything_said", crate::tool::declare(attribute, function));
}

#[test]
fn a_mistake() {
    let function = quote! {
        /// Set the price of one symbol.
        fn set_price(
            /// Ticker symbol.
            symbol: String,
        ) {
            drop(symbol);
        }
    };
    holds("a_mistake", crate::tool::declare(quote!(public), function));
}

#[test]
fn state() {
    let structure = quote! {
        struct App<B> {
            prices: Prices,
            #[state(write)]
            alerts: Alerts<B>,
            #[state(write, network)]
            http: Http,
            #[state(skip)]
            started: u64,
        }
    };
    holds("state", crate::state::derive(structure));
}

/// Holds an expansion against the file of its name.
fn holds(name: &str, expansion: TokenStream) {
    let file = syn::parse2(expansion).expect("an expansion is Rust");
    let made = prettyplease::unparse(&file);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens").join(name).with_extension("rs");
    if env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(&path, &made).expect("the folder of goldens can be written to");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "{} is another expansion now:\n{made}", path.display());
}
