use candor::{Server, tools};

struct App;

impl App {
    fn get_price() {}
}

fn main() {
    let _ = Server::new("t", "1").tools(tools![App::get_price]);
}
