//! Serves each note as a resource `memo://…`, tells subscribers of changes, and makes the prompt `summarise_day`.
//!
//! Declarations hold for tools only, so this handler checks the scope of its callers itself.

#![allow(deprecated, reason = "before 2026-07-28, clients subscribe to one resource at a time")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use candor::{
    Caller, SessionName, ToolError,
    rmcp::{
        ErrorData, RoleServer, ServerHandler,
        model::{
            Extensions, GetPromptRequestParams, GetPromptResponse, GetPromptResult, ListPromptsResult,
            ListResourceTemplatesResult, ListResourcesResult, PaginatedRequestParams, Prompt, PromptArgument,
            PromptMessage, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
            ResourceContents, ResourceTemplate, ResourceUpdatedNotification,
            ResourceUpdatedNotificationParam, Role, ServerCapabilities, ServerConfig, SubscribeRequestParams,
            SubscriptionFilter, UnsubscribeRequestParams,
        },
        service::{RequestContext, SubscriptionContext},
    },
};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    task::AbortHandle,
};

use super::{
    App,
    store::{NoteError, Reader, today},
};

/// The scope that a caller needs to read notes.
const SCOPE: &str = "notes:read";
/// The address of the list of all notes.
const ALL: &str = "memo://notes";
const MARKDOWN: &str = "text/markdown";
/// The most notes that are listed.
const MAX_LISTED_NOTES: u32 = 1_000;
/// The most subscriptions of all sessions.
const MAX_SUBSCRIPTIONS: usize = 1_000;

/// The handler of resources and prompts.
pub struct Memos {
    app: Arc<App>,
    subscriptions: Mutex<Subscriptions>,
}

/// The task that tells a session of the changes of one resource.
type Subscriptions = HashMap<(Option<SessionName>, String), AbortHandle>;

impl Memos {
    /// Makes the handler of the state that the tools share.
    pub fn new(app: Arc<App>) -> Self {
        Self { app, subscriptions: Mutex::default() }
    }

    /// Reads from the database, on a thread that may wait for it.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, NoteError> + Send + 'static,
    ) -> Result<T, ErrorData> {
        let app = Arc::clone(&self.app);
        let result = tokio::task::spawn_blocking(move || read(&app.reader)).await;
        // A `ToolError` has the text of all causes.
        result.expect("reading does not panic").map_err(|error| {
            ErrorData::internal_error(ToolError::from_error(&error).message().to_owned(), None)
        })
    }

    fn subscriptions(&self) -> MutexGuard<'_, Subscriptions> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerHandler for Memos {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_prompts().enable_resources();
        ServerConfig::new(capabilities.enable_resources_subscribe().build())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        if !may_read(&context.extensions) {
            return Ok(ListResourcesResult::default());
        }
        let notes = self.read(|reader| reader.newest(MAX_LISTED_NOTES)).await?;
        let all = Resource::new(ALL, "All notes").with_mime_type(MARKDOWN);
        let notes = notes.iter().map(|note| Resource::new(note.uri(), &note.title).with_mime_type(MARKDOWN));
        Ok(ListResourcesResult::with_all_items(std::iter::once(all).chain(notes).collect()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let note = ResourceTemplate::new("memo://{id}", "Note").with_description("One note, as Markdown.");
        let templates =
            if may_read(&context.extensions) { vec![note.with_mime_type(MARKDOWN)] } else { vec![] };
        Ok(ListResourceTemplatesResult::with_all_items(templates))
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        check_scope(&context.extensions)?;
        let text = if params.uri == ALL {
            let notes = self.read(|reader| reader.newest(MAX_LISTED_NOTES)).await?;
            notes.iter().map(|note| format!("- [{}]({})\n", note.title, note.uri())).collect()
        } else {
            let id = id_of(&params.uri)?;
            let note = self.read(move |reader| reader.get(id)).await?.ok_or_else(|| unknown(&params.uri))?;
            format!("# {}\n\n{}\n", note.title, note.text)
        };
        let contents = ResourceContents::text(text, params.uri).with_mime_type(MARKDOWN);
        Ok(ReadResourceResult::new(vec![contents]).into())
    }

    /// Subscribes a session, before 2026-07-28.
    async fn subscribe(
        &self,
        params: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        check_scope(&context.extensions)?;
        let resource = Watched::parse(&params.uri)?;
        let mut subscriptions = self.subscriptions();
        // Those of sessions that have ended.
        subscriptions.retain(|_, task| !task.is_finished());
        if subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return Err(ErrorData::invalid_request(
                "there are too many subscriptions; end others first",
                None,
            ));
        }
        let (mut changes, peer, uri) = (self.app.writer.changes(), context.peer, params.uri.clone());
        let task = tokio::spawn(async move {
            while let Some(change) = next(&mut changes).await {
                let params = ResourceUpdatedNotificationParam::new(&uri);
                if peer.is_transport_closed()
                    || resource.is_changed_by(change) && peer.notify_resource_updated(params).await.is_err()
                {
                    break;
                }
            }
        });
        let key = (context.extensions.get::<SessionName>().cloned(), params.uri);
        subscriptions.insert(key, task.abort_handle()).inspect(AbortHandle::abort);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        params: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let key = (context.extensions.get::<SessionName>().cloned(), params.uri);
        self.subscriptions().remove(&key).inspect(AbortHandle::abort);
        Ok(())
    }

    /// Accepts the resources of a subscription since 2026-07-28. It is made without a caller: a subscriber learns that a
    /// note has changed, and needs the scope to read it.
    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let uris = requested.resource_subscriptions.iter().flatten();
        let known = uris.filter(|uri| Watched::parse(uri).is_ok()).cloned();
        Some(SubscriptionFilter::builder().resource_subscriptions(known).build())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let uris = context.accepted().resource_subscriptions.iter().flatten();
        let watched: Vec<_> = uris.filter_map(|uri| Some((uri, Watched::parse(uri).ok()?))).collect();
        let mut changes = self.app.writer.changes();
        loop {
            let change = tokio::select! {
                () = context.cancelled() => return Ok(()),
                change = next(&mut changes) => change,
            };
            let Some(change) = change else { return Ok(()) };
            for (uri, _) in watched.iter().filter(|(_, resource)| resource.is_changed_by(change)) {
                let updated = ResourceUpdatedNotification::new(ResourceUpdatedNotificationParam::new(*uri));
                if context.sink().send(updated.into()).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let day = PromptArgument::new("day")
            .with_description("The day in UTC, for example 2026-07-28; today if left out.");
        let prompt = Prompt::new("summarise_day", Some("Summarise the notes of a day."), Some(vec![day]));
        let prompts = if may_read(&context.extensions) { vec![prompt] } else { vec![] };
        Ok(ListPromptsResult::with_all_items(prompts))
    }

    async fn get_prompt(
        &self,
        params: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        check_scope(&context.extensions)?;
        if params.name != "summarise_day" {
            return Err(ErrorData::invalid_params("this server has the prompt `summarise_day` alone", None));
        }
        let day = match params.arguments.as_ref().and_then(|arguments| arguments.get("day")) {
            None => today(),
            Some(day) => day.as_str().and_then(|day| day.parse().ok()).ok_or_else(|| {
                ErrorData::invalid_params("`day` is not a date, for example 2026-07-28", None)
            })?,
        };
        let notes = self.read(move |reader| reader.of_day(day)).await?;
        let notes: String =
            notes.iter().map(|note| format!("# {}\n\n{}\n\n", note.title, note.text)).collect();
        let text = format!("Summarise the notes of {day} in at most five sentences.\n\n{notes}");
        Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).into())
    }
}

/// A resource that a client has subscribed to.
#[derive(Clone, Copy)]
enum Watched {
    All,
    Note(u32),
}

impl Watched {
    fn parse(uri: &str) -> Result<Self, ErrorData> {
        if uri == ALL { Ok(Self::All) } else { id_of(uri).map(Self::Note) }
    }

    /// Whether the change of a note is one of this resource. `None` stands for changes that were missed.
    fn is_changed_by(self, change: Option<u32>) -> bool {
        match (self, change) {
            (Self::All, _) | (_, None) => true,
            (Self::Note(id), Some(changed)) => id == changed,
        }
    }
}

/// Waits for the next change: `Some(None)` if this receiver was too slow for some, `None` at the end.
async fn next(changes: &mut Receiver<u32>) -> Option<Option<u32>> {
    match changes.recv().await {
        Ok(change) => Some(Some(change)),
        Err(RecvError::Lagged(_)) => Some(None),
        Err(RecvError::Closed) => None,
    }
}

fn id_of(uri: &str) -> Result<u32, ErrorData> {
    uri.strip_prefix("memo://").and_then(|id| id.parse().ok()).ok_or_else(|| unknown(uri))
}

fn unknown(uri: &str) -> ErrorData {
    let data = serde_json::json!({ "uri": uri });
    ErrorData::resource_not_found("no note has this address; `resources/list` lists them", Some(data))
}

/// Whether the caller of a request may read notes.
fn may_read(extensions: &Extensions) -> bool {
    let caller = extensions.get::<Arc<Caller>>();
    caller.is_some_and(|caller| caller.scopes().any(|scope| scope == SCOPE))
}

fn check_scope(extensions: &Extensions) -> Result<(), ErrorData> {
    if may_read(extensions) {
        return Ok(());
    }
    Err(ErrorData::invalid_request(format!("reading notes needs the scope `{SCOPE}`"), None))
}
