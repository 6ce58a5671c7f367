//! Bytes ↔ messages, one a line. Every line that deserves an answer gets one, and the connection outlives every line.
//!
//! rmcp's own reader drops what it cannot parse, so that a request with `1e999` in it waits for ever; this one says why.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use rmcp::{
    RoleServer,
    model::{
        ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorCode, ErrorData, GetMeta as _,
        JsonRpcMessage, JsonRpcRequest, ProtocolVersion, RequestId, ServerJsonRpcMessage,
    },
    transport::Transport,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    sync::Notify,
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::parse::{self, Line};
use crate::serve::SHUTTING_DOWN;

/// The longest line that is read: four times what HTTP takes, since base64 arguments travel here too.
const LONGEST: usize = 16 * 1024 * 1024;
/// The room for a line that is kept for the next, in bytes: a list of a thousand tools.
const KEPT: usize = 1024 * 1024;

/// A connection of lines.
pub(crate) struct LineTransport<R, W> {
    read: BufReader<R>,
    line: Vec<u8>,
    /// The rest of a line that was too long is still to come.
    skipping: bool,
    /// A client has opened the connection: by a handshake, or by a first request that says its revision.
    begun: bool,
    revisions: Vec<ProtocolVersion>,
    /// The end of the input was met, and answers may take until then.
    ended: Option<Instant>,
    /// The server is to stop: nothing new is begun, and answers may take until then.
    stopping: Option<Instant>,
    ending: ShutdownSignals,
    write: Arc<tokio::sync::Mutex<Writer<W>>>,
    in_flight: Arc<InFlight>,
    /// Answers from here that are being written.
    answers: JoinSet<io::Result<()>>,
}

/// How a connection comes to its end.
#[derive(Clone)]
pub(crate) struct ShutdownSignals {
    /// Asks for it.
    pub(crate) stop: CancellationToken,
    /// How long calls in flight may take from then on, or once the client has closed its end.
    pub(crate) patience: Duration,
    /// Tells that the client has closed its end.
    pub(crate) gone: CancellationToken,
    /// Tells that calls were cut off.
    pub(crate) cut: CancellationToken,
}

/// The way out, with the room for a line.
struct Writer<W> {
    half: W,
    /// Kept from one line to the next: a fresh megabyte of memory costs more than to fill it.
    line: Vec<u8>,
}

/// Requests that wait for their answers.
#[derive(Default)]
struct InFlight {
    ids: Mutex<HashSet<RequestId>>,
    changed: Notify,
}

impl InFlight {
    fn ids(&self) -> std::sync::MutexGuard<'_, HashSet<RequestId>> {
        // A set of ids is whole after any panic.
        self.ids.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn answered(&self, id: &RequestId) {
        self.ids().remove(id);
        self.changed.notify_one();
    }

    /// Waits until every request has its answer, or the time is up.
    async fn drained(&self, until: Instant) {
        loop {
            let changed = self.changed.notified();
            if self.ids().is_empty() || tokio::time::timeout_at(until, changed).await.is_err() {
                return;
            }
        }
    }
}

/// What one look at the input brought.
enum Read {
    Line,
    TooLong,
    End,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Send + Unpin + 'static> LineTransport<R, W> {
    /// A connection to a server that speaks `revisions`.
    pub(crate) fn new(read: R, write: W, revisions: Vec<ProtocolVersion>, ending: ShutdownSignals) -> Self {
        Self {
            read: BufReader::with_capacity(64 * 1024, read),
            line: Vec::new(),
            skipping: false,
            begun: false,
            revisions,
            ended: None,
            stopping: None,
            ending,
            write: Arc::new(tokio::sync::Mutex::new(Writer { half: write, line: Vec::new() })),
            in_flight: Arc::default(),
            answers: JoinSet::new(),
        }
    }

    /// Reads up to the next newline. Safe to drop in the middle: what was read stays in `self.line`.
    async fn read_line(&mut self) -> io::Result<Read> {
        loop {
            let chunk = self.read.fill_buf().await?;
            if chunk.is_empty() {
                return Ok(Read::End);
            }
            let newline = chunk.iter().position(|&byte| byte == b'\n');
            let taken = newline.map_or(chunk.len(), |at| at + 1);
            let fits = !self.skipping && self.line.len() + taken <= LONGEST;
            if fits {
                self.line.extend_from_slice(&chunk[..taken]);
            }
            self.read.consume(taken);
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

    /// Answers from here, without the service. On a task of its own: a half-written line must not be dropped.
    fn answer(&mut self, message: ServerJsonRpcMessage) {
        // Those already written make room.
        while self.answers.try_join_next().is_some() {}
        self.answers.spawn(write(Arc::clone(&self.write), message));
    }

    /// Waits until nothing is left to be said, or the time is up.
    async fn drained(&mut self, until: Instant) {
        self.in_flight.drained(until).await;
        if !self.in_flight.ids().is_empty() {
            self.ending.cut.cancel();
        }
        while let Ok(Some(_)) = tokio::time::timeout_at(until, self.answers.join_next()).await {}
    }

    /// The next look at the input, for as long as there is a reason to look.
    async fn look(&mut self) -> Option<io::Result<Read>> {
        if let Some(until) = self.ended {
            self.drained(until).await;
            return None;
        }
        let stop = self.ending.stop.clone();
        if self.stopping.is_none() {
            tokio::select! {
                biased;
                () = stop.cancelled() => self.stopping = Some(Instant::now() + self.ending.patience),
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
            // Answers to the server's own questions still count, and new requests are told.
            read = self.read_line() => Some(read),
        }
    }

    /// Answers a request that comes too late.
    fn too_late(&mut self, request: &JsonRpcRequest<ClientRequest>) {
        let data = serde_json::json!({"reason": "shutting_down", "retryAfterSeconds": 1});
        let error = ErrorData::new(
            ErrorCode(SHUTTING_DOWN),
            "this server stops\nhelp: call again once it is back",
            Some(data),
        );
        self.answer(ServerJsonRpcMessage::error(error, Some(request.id.clone())));
    }

    /// Keeps account of `message`, and says whether the service is to see it.
    fn admit(&mut self, message: &ClientJsonRpcMessage) -> bool {
        match message {
            JsonRpcMessage::Request(request) => {
                if self.stopping.is_some() {
                    self.too_late(request);
                    return false;
                }
                if !self.begun && self.turns_away(request) {
                    return false;
                }
                self.begun = self.begun || self.opens(&request.request);
                self.in_flight.ids().insert(request.id.clone());
                true
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.in_flight.answered(id);
                }
                // rmcp ends a connection that opens with anything but a request.
                self.begun
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => self.begun,
        }
    }

    /// Whether `request` opens the connection; rmcp answers what does not, and waits for the next.
    fn opens(&self, request: &ClientRequest) -> bool {
        match request {
            ClientRequest::InitializeRequest(_) => true,
            ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => false,
            request => {
                let meta = request.get_meta();
                meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty()
                    && meta.protocol_version().is_some_and(|version| self.revisions.contains(&version))
            }
        }
    }

    /// Answers a handshake where no revision has one. rmcp would end the connection with its refusal, and a client
    /// that can do without may go on.
    fn turns_away(&mut self, request: &JsonRpcRequest<ClientRequest>) -> bool {
        let ClientRequest::InitializeRequest(initialize) = &request.request else { return false };
        if self.revisions.iter().any(ProtocolVersion::has_initialize) {
            return false;
        }
        let requested = initialize.params.protocol_version.clone();
        let error = ErrorData::unsupported_protocol_version(requested, &self.revisions);
        self.answer(ServerJsonRpcMessage::error(error, Some(request.id.clone())));
        true
    }
}

impl<R, W> Transport<RoleServer> for LineTransport<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let write_half = Arc::clone(&self.write);
        let in_flight = Arc::clone(&self.in_flight);
        let answered = match &message {
            JsonRpcMessage::Response(response) => Some(response.id.clone()),
            JsonRpcMessage::Error(error) => error.id.clone(),
            _ => None,
        };
        async move {
            let written = write(write_half, message).await;
            if let Some(id) = answered {
                in_flight.answered(&id);
            }
            written
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            match self.look().await? {
                Ok(Read::Line) => {}
                Ok(Read::TooLong) => {
                    self.answer(parse::too_long(LONGEST));
                    continue;
                }
                // A broken pipe ends the input as its end does; a last line may lack its newline.
                Ok(Read::End) | Err(_) => {
                    self.ended = Some(self.stopping.unwrap_or_else(|| Instant::now() + self.ending.patience));
                    self.ending.gone.cancel();
                }
            }
            let parsed = parse::line(&self.line);
            self.line.clear();
            match parsed {
                Line::Message(message) if self.admit(&message) => return Some(*message),
                Line::Message(_) | Line::Nothing => {}
                Line::Fault(answer) => self.answer(*answer),
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.write.lock().await.half.shutdown().await
    }
}

async fn write<W: AsyncWrite + Unpin>(
    writer: Arc<tokio::sync::Mutex<Writer<W>>>,
    message: ServerJsonRpcMessage,
) -> io::Result<()> {
    let mut writer = writer.lock().await;
    let Writer { half, line } = &mut *writer;
    line.clear();
    line.shrink_to(KEPT);
    serde_json::to_writer(&mut *line, &message)?;
    line.push(b'\n');
    half.write_all(line).await?;
    half.flush().await
}
