//! The rights that a tool's declaration gives up.

use crate::tool::descriptor::Descriptor;

/// The rights that a tool's threads give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Writing to the file system: `read_only`.
    pub(crate) no_writes: bool,
    /// The network: `closed_world`.
    pub(crate) no_network: bool,
}

/// The profile of a tool that is both `read_only` and `closed_world`.
pub(super) const BOTH: Profile = Profile { no_writes: true, no_network: true };

impl Profile {
    /// All three.
    pub(super) const ALL: [Self; 3] =
        [Self { no_network: false, ..BOTH }, Self { no_writes: false, ..BOTH }, BOTH];

    /// Returns the profile of `tool`; `None` if the tool gives up nothing or is declared `unsandboxed`.
    pub(crate) fn of(tool: &Descriptor) -> Option<Self> {
        let profile = Self { no_writes: tool.is_read_only(), no_network: tool.closed_world };
        (tool.unsandboxed.is_none() && (profile.no_writes || profile.no_network)).then_some(profile)
    }

    /// Returns its number among the three profiles, from 1.
    pub(super) fn index(self) -> usize {
        usize::from(self.no_writes) + 2 * usize::from(self.no_network)
    }

    /// Returns the words that declare it.
    pub(super) fn words(self) -> &'static str {
        match (self.no_writes, self.no_network) {
            (true, true) => "`read_only` and `closed_world`",
            (true, false) => "`read_only`",
            _ => "`closed_world`",
        }
    }

    /// Returns the name of the threads of this profile.
    pub(super) fn thread_name(self) -> &'static str {
        match (self.no_writes, self.no_network) {
            (true, true) => "sandboxed-rw-net",
            (true, false) => "sandboxed-rw",
            _ => "sandboxed-net",
        }
    }
}
