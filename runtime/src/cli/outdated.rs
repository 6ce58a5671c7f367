//! Reports the calls of deprecated tools and by earlier names, when a server ends.

use crate::{serve::Service, stderr};

/// Reports the calls of deprecated tools and by aliases: the author sees whether they can be removed.
pub(super) fn report_outdated(service: &Service) {
    for outdated in service.outdated_calls().into_iter().filter(|outdated| outdated.calls > 0) {
        let tool = outdated.tool;
        let calls =
            if outdated.calls == 1 { "1 call".to_owned() } else { format!("{} calls", outdated.calls) };
        stderr::line(match outdated.alias {
            Some(alias) => format!("{calls} of tool `{tool}` by its earlier name `{alias}`"),
            None => format!("{calls} of the deprecated tool `{tool}`"),
        });
    }
}
