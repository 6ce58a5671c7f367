//! The comparison server on bare rmcp, over stdio.

use rmcp::{ServiceExt as _, transport::stdio_pipes};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let running =
        candor_tests::comparison::bare::server().serve(stdio_pipes()).await.map_err(std::io::Error::other)?;
    running.waiting().await.map(drop).map_err(std::io::Error::other)
}
