//! Reads and writes messages, one per line. Every line that needs an answer gets one, and no line ends the connection.
//!
//! rmcp's own reader drops a line that it cannot parse, so that its sender waits for ever; this one answers with the reason.

use std::{io, sync::Arc, time::Duration};

use futures::FutureExt as _;
use rmcp::{
    RoleServer,
    model::{
        ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorCode, ErrorData, GetMeta as _,
        JsonRpcMessage, JsonRpcRequest, ProtocolVersion, ServerJsonRpcMessage,
    },
    transport::Transport,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    descriptors::{Reader, Writer},
    in_flight::{AnswerWrite, InFlight},
};
use crate::{
    message::Message,
    serve::{
        mcp::refused,
        message::{self, Line},
        shared::Shared,
        shutdown::SHUTTING_DOWN,
    },
    telemetry::McpMethod,
};

/// The longest line that is read. HTTP bodies are limited to a quarter, but base64 arguments travel here too.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
/// The capacity of the write buffer that is reused for the next line: a list of a thousand tools.
const MAX_REUSED_BYTES: usize = 1024 * 1024;

/// A connection that carries one message per line. Its streams are boxed: rmcp's state machine is then compiled once, and not
/// for each pair of types in each program.
pub(crate) struct LineTransport {
    read: BufReader<Reader>,
    line: Vec<u8>,
    /// Whether the rest of a line that was too long is still being skipped.
    skipping: bool,
    /// Whether the client has opened the connection, by a handshake or a first request that names its revision.
    is_open: bool,
    shared: Arc<Shared>,
    /// The deadline of answers, if the input has ended.
    ended: Option<Instant>,
    /// The deadline of answers, if the server shuts down.
    stopping: Option<Instant>,
    signals: ShutdownSignals,
    write: Arc<tokio::sync::Mutex<LineWriter>>,
    in_flight: Arc<InFlight>,
    /// Answers that the transport itself is writing.
    answers: JoinSet<io::Result<()>>,
}

/// The signals that end a connection, and those that it gives.
#[derive(Clone)]
pub(crate) struct ShutdownSignals {
    /// Asks the connection to end.
    pub(crate) stop: CancellationToken,
    /// The time that calls in flight then have, or when the client has closed its end.
    pub(crate) timeout: Duration,
    /// Cancelled by the connection when the client has closed its end.
    pub(crate) gone: CancellationToken,
    /// Cancelled by the connection when calls in flight ran out of time.
    pub(crate) timed_out: CancellationToken,
}

/// The writing half, with a buffer for one line.
struct LineWriter {
    half: Writer,
    /// Reused, since allocating a megabyte costs more than filling it.
    line: Vec<u8>,
}

/// The result of one read.
enum Read {
    Line,
    TooLong,
    End,
}

impl LineTransport {
    /// Creates the transport of one connection.
    pub(crate) fn new(read: Reader, write: Writer, shared: Arc<Shared>, signals: ShutdownSignals) -> Self {
        Self {
            read: BufReader::with_capacity(64 * 1024, read),
            line: Vec::new(),
            skipping: false,
            is_open: false,
            shared,
            ended: None,
            stopping: None,
            signals,
            write: Arc::new(tokio::sync::Mutex::new(LineWriter { half: write, line: Vec::new() })),
            in_flight: Arc::default(),
            answers: JoinSet::new(),
        }
    }

    /// Reads up to the next newline. Cancel safe: the bytes read so far stay in `self.line`.
    async fn read_line(&mut self) -> io::Result<Read> {
        loop {
            let chunk = self.read.fill_buf().await?;
            if chunk.is_empty() {
                return Ok(Read::End);
            }
            let newline = chunk.iter().position(|&byte| byte == b'\n');
            let length = newline.map_or(chunk.len(), |at| at + 1);
            let fits = !self.skipping && self.line.len() + length <= MAX_LINE_BYTES;
            if fits {
                self.line.extend_from_slice(&chunk[..length]);
            }
            self.read.consume(length);
            match (fits, newline) {
                (true, Some(_)) => return Ok(Read::Line),
                (true, None) => {}
                (false, newline) => {
                    let first = !self.skipping;
                    self.skipping = newline.is_none();
                    if first {
                        self.line = Vec::new();
                        return Ok(Read::TooLong);
                    }
                }
            }
        }
    }

    /// Refuses a message without the service. Spawned, since a half-written line must not be dropped.
    fn refuse(&mut self, method: McpMethod, message: ServerJsonRpcMessage) {
        if let ServerJsonRpcMessage::Error(refused) = &message {
            refused::observe(&self.shared.core, "stdio", method, refused.error.code.0);
        }
        // Forget the answers that have been written.
        while self.answers.try_join_next().is_some() {}
        self.answers.spawn(write(Arc::clone(&self.write), message).boxed());
    }

    /// Waits until every answer is written, or until the deadline.
    async fn drained(&mut self, until: Instant) {
        self.in_flight.drained(until).await;
        if !self.in_flight.is_empty() {
            self.signals.timed_out.cancel();
        }
        while let Ok(Some(_)) = tokio::time::timeout_at(until, self.answers.join_next()).await {}
    }

    /// Reads once more, unless the connection has ended.
    async fn next_read(&mut self) -> Option<io::Result<Read>> {
        if let Some(until) = self.ended {
            self.drained(until).await;
            return None;
        }
        let stop = self.signals.stop.clone();
        if self.stopping.is_none() {
            tokio::select! {
                biased;
                () = stop.cancelled() => self.stopping = Some(Instant::now() + self.signals.timeout),
                read = self.read_line() => return Some(read),
            }
        }
        let until = self.stopping?;
        let in_flight = Arc::clone(&self.in_flight);
        tokio::select! {
            biased;
            () = in_flight.drained(until) => {
                self.drained(until).await;
                None
            }
            // Answers to the server's questions are still needed, and new requests are refused.
            read = self.read_line() => Some(read),
        }
    }

    /// Refuses a request that arrives during shutdown.
    fn refuse_late(&mut self, request: &JsonRpcRequest<ClientRequest>) {
        let data = serde_json::json!({"reason": "shutting_down", "retryAfterSeconds": 1});
        let error = ErrorData::new(
            ErrorCode(SHUTTING_DOWN),
            Message::new("this server is shutting down").help("call again when it is back"),
            Some(data),
        );
        self.refuse_request(request, error);
    }

    fn refuse_request(&mut self, request: &JsonRpcRequest<ClientRequest>, error: ErrorData) {
        let method = McpMethod::named(request.request.method());
        self.refuse(method, ServerJsonRpcMessage::error(error, Some(request.id.clone())));
    }

    /// Tracks `message`, and decides whether the service gets it.
    fn admit(&mut self, message: &ClientJsonRpcMessage) -> bool {
        match message {
            JsonRpcMessage::Request(request) => {
                if self.stopping.is_some() {
                    self.refuse_late(request);
                    return false;
                }
                if !self.is_open && self.refuses_handshake(request) {
                    return false;
                }
                if let Err(error) = self.in_flight.insert(&request.id) {
                    self.refuse_request(request, error);
                    return false;
                }
                if !self.is_open
                    && let Some(code) = self.refused_by_rmcp(&request.request)
                {
                    let method = McpMethod::named(request.request.method());
                    refused::observe(&self.shared.core, "stdio", method, code);
                }
                self.is_open = self.is_open || self.opens(&request.request);
                true
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.in_flight.cancel(id);
                }
                // rmcp ends a connection whose first message is not a request.
                self.is_open
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => self.is_open,
        }
    }

    /// Whether `request` opens the connection; rmcp answers any other and waits for the next.
    fn opens(&self, request: &ClientRequest) -> bool {
        match request {
            ClientRequest::InitializeRequest(_) => true,
            ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => false,
            request => {
                let meta = request.get_meta();
                meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty()
                    && meta.protocol_version().is_some_and(|version| self.shared.revisions.contains(&version))
            }
        }
    }

    /// Returns the code with which rmcp refuses a request that does not open the connection, before its handler sees it.
    fn refused_by_rmcp(&self, request: &ClientRequest) -> Option<i32> {
        if matches!(request, ClientRequest::PingRequest(_)) || self.opens(request) {
            return None;
        }
        let meta = request.get_meta();
        let is_whole = meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty();
        match meta.protocol_version() {
            // The handler answers it.
            Some(_) if is_whole && matches!(request, ClientRequest::DiscoverRequest(_)) => None,
            Some(_) if is_whole => Some(ErrorCode::UNSUPPORTED_PROTOCOL_VERSION.0),
            _ => Some(ErrorCode::INVALID_PARAMS.0),
        }
    }

    /// Refuses a handshake if no served revision has one. rmcp would then end the connection; here a client may go on
    /// without a handshake.
    fn refuses_handshake(&mut self, request: &JsonRpcRequest<ClientRequest>) -> bool {
        if let ClientRequest::CustomRequest(custom) = &request.request
            && custom.method == "initialize"
        {
            let fault = message::malformed("initialize", custom.params.as_ref());
            let fault = fault.map_or_else(String::new, Into::into);
            self.refuse_request(request, ErrorData::invalid_params(fault, None));
            return true;
        }
        let ClientRequest::InitializeRequest(initialize) = &request.request else { return false };
        if self.shared.revisions.iter().any(ProtocolVersion::has_initialize) {
            return false;
        }
        let requested = initialize.params.protocol_version.clone();
        let error = ErrorData::unsupported_protocol_version(requested, &self.shared.revisions);
        self.refuse_request(request, error);
        true
    }
}

impl Transport<RoleServer> for LineTransport {
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let write_half = Arc::clone(&self.write);
        let answered_id = match &message {
            JsonRpcMessage::Response(response) => Some(&response.id),
            JsonRpcMessage::Error(error) => error.id.as_ref(),
            _ => None,
        };
        let writing = answered_id.map(|id| AnswerWrite::begin(&self.in_flight, id));
        async move {
            let written = write(write_half, message).await;
            drop(writing);
            written
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            match self.next_read().await? {
                Ok(Read::Line) => {}
                Ok(Read::TooLong) => {
                    self.refuse(McpMethod::Other, message::too_long(MAX_LINE_BYTES));
                    continue;
                }
                // A broken pipe counts as the end of input; the last line may lack its newline.
                Ok(Read::End) | Err(_) => {
                    self.ended = Some(self.stopping.unwrap_or_else(|| Instant::now() + self.signals.timeout));
                    self.signals.gone.cancel();
                }
            }
            let parsed = message::line(&self.line);
            self.line.clear();
            match parsed {
                Line::Message(message) if self.admit(&message) => return Some(*message),
                Line::Message(_) | Line::Nothing => {}
                Line::Fault(answer) => self.refuse(McpMethod::Other, *answer),
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.write.lock().await.half.shutdown().await
    }
}

async fn write(writer: Arc<tokio::sync::Mutex<LineWriter>>, message: ServerJsonRpcMessage) -> io::Result<()> {
    let mut writer = writer.lock().await;
    let LineWriter { half, line } = &mut *writer;
    line.clear();
    line.shrink_to(MAX_REUSED_BYTES);
    serde_json::to_writer(&mut *line, &message)?;
    line.push(b'\n');
    half.write_all(line).await?;
    half.flush().await
}
