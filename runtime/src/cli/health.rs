//! `health`: asks a running server whether it is ready, for images without curl (`HEALTHCHECK`).

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use clap::Args;

use super::{FAILED, fail, print_stdout};

/// The time for each step, longer than the server gives its slowest check.
const IO_TIMEOUT: Duration = Duration::from_secs(3);
/// The part of the answer that is read.
const MAX_HEALTH_BYTES: u64 = 16 * 1024;

#[derive(Args)]
pub(super) struct HealthArgs {
    /// The server's `--health` address, or else its `--http` address
    #[arg(value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = super::http::address)]
    address: SocketAddr,
}

impl HealthArgs {
    pub(super) fn run(&self) -> ExitCode {
        match self.ask() {
            Ok((true, body)) => print_stdout(&format!("{body}\n")),
            Ok((false, body)) => {
                print_stdout(&format!("{body}\n"));
                ExitCode::from(FAILED)
            }
            Err(error) => {
                fail(&format!("{} does not answer: {error}", self.address));
                ExitCode::from(FAILED)
            }
        }
    }

    /// Whether the server is ready, and the body of its answer.
    fn ask(&self) -> io::Result<(bool, String)> {
        let mut stream = TcpStream::connect_timeout(&self.address, IO_TIMEOUT)?;
        stream.set_read_timeout(Some(IO_TIMEOUT))?;
        stream.set_write_timeout(Some(IO_TIMEOUT))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)?;
        let mut answer = String::new();
        stream.take(MAX_HEALTH_BYTES).read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
        Ok((head.starts_with("HTTP/1.1 200 "), body.to_owned()))
    }
}
