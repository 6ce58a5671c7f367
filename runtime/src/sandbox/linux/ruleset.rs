//! Builds the Landlock rules of a profile: files, TCP ports, signals and abstract sockets.

use std::{fmt::Display, path::Path};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, Scope,
};

use crate::{message::Message, sandbox::SandboxConfig};

/// Builds rules under which no file outside the scratch folders can be created, changed or removed, and no TCP port
/// outside the list can be reached.
pub(super) fn ruleset(config: &SandboxConfig, writes: bool, ports: bool) -> Result<RulesetCreated, Message> {
    // Truncation came with the third ABI and TCP with the fourth: earlier ones would not enforce the whole word.
    let (fs, net) = (AccessFs::from_write(ABI::V3), AccessNet::from_all(ABI::V4));
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    if writes {
        ruleset = ruleset.handle_access(fs).map_err(no_landlock)?;
    }
    if ports {
        ruleset = ruleset.handle_access(net).map_err(no_landlock)?;
    }
    if writes {
        // Signals to other processes, and abstract sockets of other processes: since Linux 6.12.
        let scopes = Scope::from_all(ABI::V6);
        ruleset = ruleset.set_compatibility(CompatLevel::BestEffort).scope(scopes).map_err(no_landlock)?;
        ruleset = ruleset.set_compatibility(CompatLevel::HardRequirement);
    }
    let mut created = ruleset.create().map_err(no_landlock)?;
    if writes {
        // Writing to `/dev/null` changes nothing.
        created = allow(created, Path::new("/dev/null"), AccessFs::WriteFile | AccessFs::Truncate)?;
        for folder in &config.scratch {
            created = allow(created, folder, fs)?;
        }
    }
    if ports {
        for &port in &config.ports {
            created = created.add_rule(NetPort::new(port, AccessNet::ConnectTcp)).map_err(no_landlock)?;
        }
    }
    Ok(created)
}

fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    access: landlock::BitFlags<AccessFs>,
) -> Result<RulesetCreated, Message> {
    let file = PathFd::new(path)
        .map_err(|error| Message::new(format!("cannot open `{}`: {error}", path.display())))?;
    ruleset.add_rule(PathBeneath::new(file, access)).map_err(no_landlock)
}

pub(super) fn no_landlock(error: impl Display) -> Message {
    Message::new(format!("no Landlock: {error}"))
}
