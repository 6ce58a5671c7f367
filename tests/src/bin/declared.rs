//! The declared twin on stdio.

#[tokio::main]
async fn main() -> std::io::Result<()> {
    candor_tests::twin::declared::server().serve_stdio().await
}
