//! Compares formatted expansions with the files in `goldens/`. `UPDATE_GOLDENS=1 cargo test -p candor-macros` rewrites the files.

use std::{env, fs, path::Path};

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, File, Item};

use crate::declare;

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
    assert_golden(
        "two_parameters",
        declare::tool(quote!(read_only, closed_world, scope = "read:prices"), function),
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
    assert_golden(
        "state_and_context",
        declare::tool(quote!(destructive, idempotent, closed_world, scope = "write:alerts"), function),
    );
}

#[test]
fn every_key() {
    let attribute = quote! {
        additive,
        idempotent,
        scope = "write:alerts read:prices",
        name = "set-alert",
        aliases = ["add_alert", "alert"],
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
        unsandboxed = "writes to its own cache file",
        public_effect = "posts to the public timeline",
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
    assert_golden("every_key", declare::tool(attribute, function));
}

#[test]
fn mistake() {
    let function = quote! {
        /// Set the price of one symbol.
        fn set_price(
            /// Ticker symbol.
            symbol: String,
        ) {
            drop(symbol);
        }
    };
    assert_golden("mistake", declare::tool(quote!(public), function));
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
    assert_golden("state", declare::state(structure));
}

/// Compares an expansion with the file of its name.
fn assert_golden(name: &str, expansion: TokenStream) {
    let mut file: File = syn::parse2(expansion).expect("an expansion is Rust");
    file.items = file.items.into_iter().flat_map(appended).collect();
    let text = prettyplease::unparse(&file);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens").join(name).with_extension("rs");
    if env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(&path, &text).expect("the folder of goldens is writable");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{} differs from the expansion:\n{text}", path.display());
}

/// Does what the attribute `append` does, so that a golden shows formatted code.
fn appended(item: Item) -> Vec<Item> {
    let Item::Enum(mut marker) = item else { return vec![item] };
    let is_append = |attribute: &Attribute| {
        attribute.path().segments.last().is_some_and(|segment| segment.ident == "append")
    };
    let Some(at) = marker.attrs.iter().position(is_append) else { return vec![Item::Enum(marker)] };
    let attribute = marker.attrs.remove(at);
    let appended: File = attribute.parse_args().expect("appended items are Rust");
    [Item::Enum(marker)].into_iter().chain(appended.items).collect()
}
