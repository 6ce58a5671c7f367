//! Adds a program's own options to the commands that start its state, and passes them on to the server of `call`.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command, Id, parser::ValueSource};

use crate::{
    message::Message,
    server::arguments::{OwnArguments, variable, with_environment},
};

/// The commands that start the state, or say how.
const COMMANDS_WITH_OPTIONS: [&str; 3] = ["serve", "call", "config"];

/// Adds the program's own options to `command`, and environment variables to them and to the options of `serve`.
pub(super) fn add(mut command: Command, server: &str, own: Option<OwnArguments>) -> Result<Command, Message> {
    let mut with_variable = ids(subcommand(&command, "serve"));
    if let Some(own) = own {
        for name in COMMANDS_WITH_OPTIONS {
            check(own, subcommand(&command, name))?;
        }
        with_variable.extend(ids(&own.add_to(Command::new("own"))));
    }
    for name in COMMANDS_WITH_OPTIONS {
        command = command.mut_subcommand(name, |subcommand| {
            let subcommand = match own {
                Some(own) => own.add_to(subcommand.next_help_heading(format!("Options of {server}"))),
                None => subcommand,
            };
            with_environment(subcommand, server, |arg| with_variable.contains(arg.get_id()))
        });
    }
    // The database of `serve` is named once for both.
    let is_database = |arg: &Arg| matches!(arg.get_long(), Some("store" | "deployment"));
    command = command.mut_subcommand("store", |store| {
        store.mut_subcommand("migrate", |migrate| with_environment(migrate, server, is_database))
    });
    Ok(command)
}

fn subcommand<'a>(command: &'a Command, name: &str) -> &'a Command {
    command.find_subcommand(name).expect("the command line has it")
}

fn ids(command: &Command) -> Vec<Id> {
    command.get_arguments().map(|arg| arg.get_id().clone()).collect()
}

/// Checks that the program's own options can stand beside those of `command`.
fn check(own: OwnArguments, command: &Command) -> Result<(), Message> {
    for arg in own.add_to(Command::new("own")).get_arguments() {
        let id = arg.get_id();
        if arg.is_positional() {
            return Err(Message::new(format!("the program's own argument `{id}` is not an option"))
                .note("the other arguments of a command are Candor's")
                .help("add `#[arg(long)]` to it"));
        }
        let is_taken = |other: &Arg| {
            let same = |own: Option<&str>, other: Option<&str>| own.is_some() && own == other;
            other.get_id() == id
                || same(arg.get_long(), other.get_long())
                || (arg.get_short().is_some() && arg.get_short() == other.get_short())
        };
        let shown = arg.get_long().map_or_else(|| id.to_string(), |long| format!("--{long}"));
        if command.get_arguments().any(is_taken) {
            let name = command.get_name();
            return Err(Message::new(format!("`{shown}` is an option of `{name}` itself"))
                .help(format!("rename the program's own `{id}`")));
        }
    }
    Ok(())
}

/// The environment variables that set the options of `serve`.
pub(super) fn variables(command: &Command, server: &str, own: Option<OwnArguments>) -> Vec<String> {
    let own = own.map(|own| ids(&own.add_to(Command::new("own")))).unwrap_or_default();
    let options = subcommand(command, "serve").get_arguments().filter(|arg| !own.contains(arg.get_id()));
    options.filter_map(Arg::get_long).map(|long| variable(server, long)).collect()
}

/// Writes the program's own options as they were given on the command line, for another process of the program. Those of
/// the environment reach it by themselves.
pub(super) fn given(own: Option<OwnArguments>, matches: &ArgMatches) -> Vec<OsString> {
    let mut given = Vec::new();
    let (Some(own), Some((_, matches))) = (own, matches.subcommand()) else { return given };
    for arg in own.add_to(Command::new("own")).get_arguments() {
        let id = arg.get_id().as_str();
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let name = match (arg.get_long(), arg.get_short()) {
            (Some(long), _) => format!("--{long}"),
            (None, short) => format!("-{}", short.unwrap_or_default()),
        };
        match arg.get_action() {
            ArgAction::SetTrue | ArgAction::SetFalse => given.push(name.into()),
            ArgAction::Count => given.extend((0..matches.get_count(id)).map(|_| name.clone().into())),
            _ => {
                for values in matches.get_raw_occurrences(id).into_iter().flatten() {
                    given.extend(occurrence(&name, values.map(OsString::from).collect()));
                }
            }
        }
    }
    given
}

/// Writes one occurrence of an option. A single value may begin with a dash, so it is joined to the name.
fn occurrence(name: &str, values: Vec<OsString>) -> Vec<OsString> {
    match values.as_slice() {
        [value] => {
            let mut option = OsString::from(name);
            // `-x=value` and `--name=value` are both clap's.
            option.push("=");
            option.push(value);
            vec![option]
        }
        _ => std::iter::once(name.into()).chain(values).collect(),
    }
}
