use candor::{Server, tools};

fn main() {
    let _ = Server::new("t", "1").tools(tools!["get_price"]);
}
