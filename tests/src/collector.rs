//! A collector of OpenTelemetry data that keeps what it gets, or that fails in one of several ways.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{AnyValue, KeyValue, any_value::Value},
    metrics::v1::metric::Data,
    trace::v1::Span,
};
use prost::Message as _;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::wait::wait_until;

/// The way a collector treats a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Takes it.
    Takes,
    /// Answers with status 500.
    Fails,
    /// Reads it, and never answers.
    Hangs,
    /// Answers with a page of HTML and status 200.
    ServesPages,
    /// Answers with bytes that are not HTTP.
    Babbles,
}

/// A collector that listens on a port of the loopback interface until it is dropped with its runtime.
pub struct Collector {
    /// Its address.
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// Everything that a collector took.
#[derive(Default)]
struct Seen {
    requests: usize,
    spans: Vec<SeenSpan>,
    /// The names of the metrics, with the names of their attributes.
    metrics: BTreeMap<String, Vec<BTreeMap<String, String>>>,
    resource: BTreeMap<String, String>,
}

/// A span as a collector sees it. Ids are in hexadecimal digits.
#[derive(Clone, Debug)]
pub struct SeenSpan {
    /// The trace that it belongs to.
    pub trace: String,
    /// Its id.
    pub id: String,
    /// The id of its parent; empty without one.
    pub parent: String,
    /// Its name.
    pub name: String,
    /// 1 is internal, 2 is server.
    pub kind: i32,
    /// 0 is unset, 2 is error.
    pub status: i32,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// The traces and spans that it links to.
    pub links: Vec<(String, String)>,
    /// The state of its trace.
    pub trace_state: String,
}

impl Collector {
    /// Starts a collector.
    pub async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let seen = Arc::<Mutex<Seen>>::default();
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, behaviour, Arc::clone(&shared)));
            }
        });
        Self { address, seen }
    }

    /// The value of `--otlp-endpoint`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of requests that it has read.
    pub fn requests(&self) -> usize {
        self.seen.lock().unwrap().requests
    }

    /// The spans so far.
    pub fn spans(&self) -> Vec<SeenSpan> {
        self.seen.lock().unwrap().spans.clone()
    }

    /// The attributes of each series of a metric.
    pub fn metric(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        self.seen.lock().unwrap().metrics.get(name).cloned().unwrap_or_default()
    }

    /// The names of all metrics so far.
    pub fn metrics(&self) -> Vec<String> {
        self.seen.lock().unwrap().metrics.keys().cloned().collect()
    }

    /// The attributes of the server.
    pub fn resource(&self) -> BTreeMap<String, String> {
        self.seen.lock().unwrap().resource.clone()
    }

    /// Waits until a span of this name is there, and returns the first.
    pub async fn span(&self, name: &str) -> SeenSpan {
        let find = || self.spans().into_iter().find(|span| span.name == name);
        wait_until(async || find().is_some()).await;
        find().expect("it was found")
    }
}

impl Seen {
    fn take(&mut self, path: &str, body: &[u8]) {
        match path {
            "/v1/traces" => {
                let request = ExportTraceServiceRequest::decode(body).expect("spans in OTLP");
                for resource in request.resource_spans {
                    self.resource = attributes(&resource.resource.expect("a resource").attributes);
                    let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
                    self.spans.extend(spans.map(|span| seen_span(&span)));
                }
            }
            "/v1/metrics" => {
                let request = ExportMetricsServiceRequest::decode(body).expect("metrics in OTLP");
                let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
                for metric in scopes.flat_map(|scope| scope.metrics) {
                    let series = match metric.data.expect("data") {
                        Data::Histogram(data) => {
                            data.data_points.iter().map(|point| attributes(&point.attributes)).collect()
                        }
                        Data::Sum(data) => {
                            data.data_points.iter().map(|point| attributes(&point.attributes)).collect()
                        }
                        Data::Gauge(data) => {
                            data.data_points.iter().map(|point| attributes(&point.attributes)).collect()
                        }
                        other => panic!("{other:?} is not expected"),
                    };
                    self.metrics.insert(metric.name, series);
                }
            }
            other => panic!("{other} is not a path of OTLP"),
        }
    }
}

fn seen_span(span: &Span) -> SeenSpan {
    SeenSpan {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name.clone(),
        kind: span.kind,
        status: span.status.as_ref().map_or(0, |status| status.code),
        attributes: attributes(&span.attributes),
        links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
        trace_state: span.trace_state.clone(),
    }
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    pairs.iter().map(|pair| (pair.key.clone(), text(pair.value.as_ref()))).collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Answers the requests of one connection.
async fn answer(stream: TcpStream, behaviour: Behaviour, seen: Arc<Mutex<Seen>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut line) = (Vec::new(), String::new());
        while stream.read_line(&mut line).await? > 2 {
            head.push(std::mem::take(&mut line));
        }
        let Some(first) = head.first() else { return Ok(()) };
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let length = head.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let mut body = vec![0; length.unwrap_or_default()];
        stream.read_exact(&mut body).await?;
        {
            let mut seen = seen.lock().unwrap();
            seen.requests += 1;
            if behaviour == Behaviour::Takes {
                seen.take(&path, &body);
            }
        }
        let response: &[u8] = match behaviour {
            Behaviour::Takes => {
                b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"
            }
            Behaviour::Fails => b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
            Behaviour::Hangs => std::future::pending().await,
            Behaviour::ServesPages => {
                b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<html>hi</html>"
            }
            Behaviour::Babbles => b"\x00\xffthis is not HTTP\r\n\r\n",
        };
        stream.get_mut().write_all(response).await?;
    }
}
