//! A weather service that gives scripted responses.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

/// A service that gives each request the next of its responses, and then closes.
pub(crate) struct FakeApi {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

/// One response of the service.
#[derive(Clone, Copy)]
pub(crate) struct Response {
    status: &'static str,
    header: &'static str,
    body: &'static str,
    delay: Duration,
}

impl Response {
    pub(crate) const fn new(status: &'static str, body: &'static str) -> Self {
        Self { status, header: "", body, delay: Duration::ZERO }
    }

    /// Adds a header.
    pub(crate) const fn header(self, header: &'static str) -> Self {
        Self { header, ..self }
    }

    /// Sends it after a time.
    pub(crate) const fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

pub(crate) const CURRENT: Response = Response::new(
    "200 OK",
    r#"{"place": "Bern", "at": "2026-07-28T12:00:00Z", "temperature": 24.5, "wind": 11, "summary": "sunny", "station": 7}"#,
);
pub(crate) const FORECAST: Response = Response::new(
    "200 OK",
    r#"{"place": "Bern", "days": [
        {"date": "2026-07-29", "low": 14, "high": 26.5, "rain": 20, "summary": "fair"},
        {"date": "2026-07-30", "low": 13, "high": 19, "rain": 90, "summary": "rain"}
    ]}"#,
);
pub(crate) const BUSY: Response = Response::new("503 Service Unavailable", "");

impl FakeApi {
    pub(crate) fn start(responses: impl IntoIterator<Item = Response, IntoIter: Send + 'static>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (seen, responses) = (Arc::clone(&requests), responses.into_iter());
        std::thread::spawn(move || {
            for response in responses {
                let (stream, _) = listener.accept().unwrap();
                seen.lock().unwrap().push(answer(stream, response));
            }
        });
        Self { address, requests }
    }

    /// A service that has ended: its address refuses connections.
    pub(crate) fn ended() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { address, requests: Arc::default() }
    }

    /// Returns the address for `--api`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Returns the paths that were requested.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads a request, sends a response, and returns the path of the request.
fn answer(mut stream: TcpStream, response: Response) -> String {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let path = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned));
    lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
    std::thread::sleep(response.delay);
    let Response { status, header, body, .. } = response;
    let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
    let length = body.len();
    // A client that has gone reads no answer.
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\n{header}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    path.unwrap_or_default()
}
