//! Lists the methods of the protocol, so that no method name from a client becomes a label.

macro_rules! methods {
    ($($method:ident $name:literal)*) => {
        /// A request method of any revision of the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum McpMethod {
            $($method,)*
            /// A method that the protocol does not define.
            Other,
        }

        impl McpMethod {
            #[cfg(feature = "telemetry")]
            pub(super) const ALL: &'static [Self] = &[$(Self::$method,)* Self::Other];

            /// Returns the method of this name.
            pub(crate) fn named(name: &str) -> Self {
                match name {
                    $($name => Self::$method,)*
                    _ => Self::Other,
                }
            }

            /// Returns the name on the wire; `_OTHER` for a method that the protocol does not define.
            #[cfg(feature = "telemetry")]
            pub(super) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$method => $name,)*
                    Self::Other => "_OTHER",
                }
            }
        }
    };
}

methods! {
    Initialize "initialize"
    Ping "ping"
    Discover "server/discover"
    ToolsList "tools/list"
    ToolsCall "tools/call"
    Complete "completion/complete"
    SetLevel "logging/setLevel"
    PromptsGet "prompts/get"
    PromptsList "prompts/list"
    ResourcesList "resources/list"
    ResourceTemplatesList "resources/templates/list"
    ResourcesRead "resources/read"
    ResourcesSubscribe "resources/subscribe"
    ResourcesUnsubscribe "resources/unsubscribe"
    ResourceDirectoryRead "resources/directory/read"
    SubscriptionsListen "subscriptions/listen"
    TasksGet "tasks/get"
    TasksUpdate "tasks/update"
    TasksCancel "tasks/cancel"
    SkillsList "skills/list"
    SkillsGet "skills/get"
}
