//! `health`: whether a server that runs is ready, for images without curl (`HEALTHCHECK`).

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use clap::Args;

use super::{FAILED, say};

/// How long the server may take: longer than its slowest check.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
/// As much of the answer as is read.
const ENOUGH: u64 = 16 * 1024;

#[derive(Args)]
pub(super) struct Health {
    /// Where the server answers: its `--health`, or else its `--http`
    #[arg(value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = super::http::address)]
    address: SocketAddr,
}

impl Health {
    pub(super) fn run(&self) -> ExitCode {
        match self.ask() {
            Ok((true, body)) => say(&format!("{body}\n")),
            Ok((false, body)) => {
                say(&format!("{body}\n"));
                ExitCode::from(FAILED)
            }
            Err(error) => {
                eprintln!("error: {} does not answer: {error}", self.address);
                ExitCode::from(FAILED)
            }
        }
    }

    /// Whether it is ready, and what it says.
    fn ask(&self) -> io::Result<(bool, String)> {
        let mut stream = TcpStream::connect_timeout(&self.address, DRAIN_TIMEOUT)?;
        stream.set_read_timeout(Some(DRAIN_TIMEOUT))?;
        stream.set_write_timeout(Some(DRAIN_TIMEOUT))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)?;
        let mut answer = String::new();
        stream.take(ENOUGH).read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
        Ok((head.starts_with("HTTP/1.1 200 "), body.to_owned()))
    }
}
