//! Serves tools whose texts try to break out of the reference: HTML, Markdown, scripts, direction marks, 100 kB.

#![allow(rustdoc::invalid_html_tags, reason = "the texts are hostile")]

use candor::{
    __private::{Descriptor, Named, Run, Tool, Tools},
    Server, mcp_tool, tools,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Text that runs wherever it is taken for markup.
const ATTACK: &str =
    "</code></pre></script></style><script>window.ran = 1</script><img src=x onerror=\"window.ran = 1\">";

/// An order <b onclick="window.ran = 1">with</b> a \u{202E}turned\u{202C} field.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Order {
    /// A field </script><script>window.ran = 1</script> and a mark:
    #[doc = "\u{202E}turned\u{202C}"]
    #[serde(rename = "<script>window.ran = 1</script>")]
    field: String,
    /// A choice.
    choice: Choice,
}

/// A choice.
#[derive(Serialize, Deserialize, JsonSchema)]
enum Choice {
    /// A name with markup.
    #[serde(rename = "\"><img src=x onerror=window.ran=1>\u{202E}")]
    Markup,
}

/// </script><script>window.ran = 1</script><img src=x onerror="window.ran = 1"> & `<b>code</b>` <!-- {{cards}}
///
/// | a | b |
/// |---|---|
/// | <i>c</i> | `d` |
///
/// ```html
/// <script>window.ran = 1</script>
/// ```
///
/// [link](javascript:window.ran=1) <a href="javascript:window.ran=1">link</a>
///
/// שלום עולם! مرحبا بالعالم
#[mcp_tool(
    additive,
    public,
    title = "<script>window.ran = 1</script>",
    unsandboxed = "</bdi><script>window.ran = 1</script>",
    public_effect = "</bdi><script>window.ran = 1</script>"
)]
fn search(
    /// A </td></tr></table><script>window.ran = 1</script> parameter.
    #[param(
        example = "'\"></code><img src=x onerror=window.ran=1>",
        pattern = "^[^\u{7f}]*$|</script>",
        max_len = 200
    )]
    page_search: &str,
    /// An order | with | pipes.
    order: Order,
) -> Order {
    let _ = page_search;
    order
}

/// Long text.
#[mcp_tool(read_only, closed_world, public)]
fn long() {}

/// `long` with a description of 100 kB.
struct Long;

const LONG_BYTES: usize = 100_000;
static LONG_TEXT: [u8; LONG_BYTES] = {
    let (attack, mut text, mut at) = (ATTACK.as_bytes(), [b' '; LONG_BYTES], 0);
    while at < LONG_BYTES {
        text[at] = attack[at % attack.len()];
        at += 1;
    }
    text
};

impl Named for Long {
    const NAME: &'static str = "long";
    const DESCRIPTOR: &'static Descriptor = &Descriptor {
        description: match str::from_utf8(&LONG_TEXT) {
            Ok(text) => text,
            Err(_) => unreachable!(),
        },
        ..*<long as Named>::DESCRIPTOR
    };
    type Holder = <long as Named>::Holder;
}

impl Tool<()> for Long {
    const RUN: Run<()> = <long as Tool<()>>::RUN;
}

fn main() -> std::process::ExitCode {
    Server::new("hostile", "1.0.0\"><script>window.ran = 1</script>")
        .title(format!("{ATTACK} \u{202E}turned"))
        .instructions(format!("{ATTACK}\n\n\u{202E}turned\u{202C} {{{{script}}}}"))
        .tools(tools![search])
        .tools(Tools::from([<Long as Tool<()>>::ENTRY]))
        .main()
}
