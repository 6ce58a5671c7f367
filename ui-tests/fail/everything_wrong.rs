use candor::{Server, State, mcp_tool, tools};

#[derive(State)]
struct App {
    #[state(writes)]
    bid: u32,
    #[state(skip, network = true)]
    ask: u32,
}

#[mcp_tool(
    read_only,
    idempotent,
    destructive = true,
    scope = "read:prices read:prices",
    public,
    name = "set price",
    title = "Set\nprice",
    confirm = "sometimes",
    idempotency_key = "required",
    rate = "60",
    max_in_flight = 0,
    timeout = "soon",
    retry = "3",
    audit = "never",
    deprecated(since = "2.0.0", remove_in = "1.0.0", use_instead = 1, until = "2.1.0"),
    unsandboxed = "",
    crate = candor,
    closed_wold,
    rate = "60/s"
)]
unsafe extern "C" fn set_price<T>(
    bid: &mut u32,
    #[param(volatile)] ask: &u32,
    symbol: String,
    #[param(min = 9, max = 1, default = true)] days: u32,
    /// ​
    #[param(pattern = "(", min_len = 9, max_len = 1, max = 3)]
    note: String,
    #[param(name = "note")] (from, to): (u32, u32),
    #[param(name = "symbol")] other: Option<&str>,
    #[param(name = "symbol", min_len = 1, secret, secret)] again: bool,
    rest: impl AsRef<str>,
) -> impl Sized {
    println!("{:?}", std::io::stdout());
    print!("set");
}

fn main() {
    let _ = Server::new("t", "1").state(App { bid: 1, ask: 2 }).tools(tools![set_price]);
}
