//! Adds arguments of a program's own to its command line, and reads them for its state.

use std::{error::Error, ffi::OsString, marker::PhantomData};

use clap::{Arg, ArgAction, ArgMatches, Command, builder::BoolishValueParser};

use super::{
    Server,
    state::{ArgumentValues, Source},
};
use crate::{message::Message, start_error::StartError, tool::state::State};

/// Stands for the state of a server with arguments of its own until [`state_with`](Server::state_with) makes it of them.
#[derive(Debug)]
pub struct NeedsStateWith<A>(PhantomData<fn() -> A>);

impl<A> Default for NeedsStateWith<A> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// The arguments of a program's own, without their type.
#[derive(Clone, Copy)]
pub(crate) struct OwnArguments {
    augment: fn(Command) -> Command,
    read: fn(&ArgMatches) -> Result<ArgumentValues, clap::Error>,
}

impl OwnArguments {
    fn of<A: clap::Args + Send + 'static>() -> Self {
        Self {
            augment: A::augment_args,
            read: |matches| A::from_arg_matches(matches).map(|values| Box::new(values) as ArgumentValues),
        }
    }

    /// Adds the arguments to a command.
    pub(crate) fn add_to(self, command: Command) -> Command {
        (self.augment)(command)
    }

    pub(crate) fn read(self, matches: &ArgMatches) -> Result<ArgumentValues, clap::Error> {
        (self.read)(matches)
    }

    /// Reads `arguments` of the server `name`, without a sub-command; the others are read from the environment.
    pub(super) fn parse(self, name: &str, arguments: Vec<OsString>) -> Result<ArgumentValues, StartError> {
        let command = self.add_to(Command::new(name.to_owned()).no_binary_name(true));
        let command = with_environment(command, name, |_| true);
        let values = command.try_get_matches_from(arguments).and_then(|matches| self.read(&matches));
        values.map_err(|error| {
            let text = error.render().to_string();
            StartError::Arguments(Message::new(text.trim_start_matches("error: ").trim_end().to_owned()))
        })
    }
}

/// Gives each of these options an environment variable: `PRICES_DRAIN_TIMEOUT` for `--drain-timeout` of the server
/// `prices`. An option that names a variable itself keeps it.
pub(crate) fn with_environment(command: Command, server: &str, has: impl Fn(&Arg) -> bool) -> Command {
    command.mut_args(|arg| match arg.get_long() {
        _ if !has(&arg) => arg,
        Some(long) if arg.get_env().is_none() => {
            let variable = variable(server, long);
            let is_flag = matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse);
            let arg = if is_flag { arg.value_parser(BoolishValueParser::new()) } else { arg };
            with_variable(arg, variable)
        }
        _ => arg.hide_env_values(true),
    })
}

/// Returns the name of the environment variable of an option.
pub(crate) fn variable(server: &str, long: &str) -> String {
    let upper = |name: &str| -> String {
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
    };
    format!("{}_{}", upper(server), upper(long))
}

/// Reads an option from a variable, which counts as unset if it is empty: images set variables to nothing.
fn with_variable(arg: Arg, variable: String) -> Arg {
    if std::env::var_os(&variable).is_some_and(|value| value.is_empty()) {
        return arg;
    }
    arg.env(variable).hide_env_values(true)
}

impl Server {
    /// Adds options of the program's own to its command line, and gives them to the function that makes the state.
    ///
    /// `serve` and `call` take them, their help and the shell's completions list them, and each can also be set by an
    /// environment variable: `NOTES_DB` for `--db` of the server `notes`, unless the option names another. The options
    /// must have names; positional arguments belong to Candor's own commands.
    ///
    /// ```
    /// use candor::{Server, State, clap};
    ///
    /// /// Notes in a file.
    /// #[derive(clap::Args)]
    /// struct Options {
    ///     /// The file
    ///     #[arg(long, default_value = "notes.txt")]
    ///     file: std::path::PathBuf,
    /// }
    ///
    /// #[derive(State)]
    /// struct App {
    ///     file: std::path::PathBuf,
    /// }
    ///
    /// let server = Server::new("notes", "1.0.0")
    ///     .args::<Options>()
    ///     .state_with(|options: Options| Ok::<_, std::io::Error>(App { file: options.file }));
    /// // A test gives the options that the command line would.
    /// server.build_with(["--file", "/tmp/notes.txt"]).unwrap();
    /// ```
    pub fn args<A: clap::Args + Send + 'static>(self) -> Server<NeedsStateWith<A>> {
        let mut server = self.with(Source::Ready(NeedsStateWith::default()));
        server.config.own_arguments = Some(OwnArguments::of::<A>());
        server
    }
}

impl<A: 'static> Server<NeedsStateWith<A>> {
    /// Gives the tools a state that is made of the program's own options when the server starts to serve; see
    /// [`Server::state_with`](Server#method.state_with).
    pub fn state_with<C: State, E: Into<Box<dyn Error + Send + Sync>>>(
        self,
        make: impl FnOnce(A) -> Result<C, E> + Send + 'static,
    ) -> Server<C> {
        self.with(Source::later(make))
    }

    /// As `state_with`, for a state that is made by a future. It runs on the server's own runtime, outside every sandbox.
    pub fn state_with_async<
        C: State,
        E: Into<Box<dyn Error + Send + Sync>>,
        F: Future<Output = Result<C, E>> + Send + 'static,
    >(
        self,
        make: impl FnOnce(A) -> F + Send + 'static,
    ) -> Server<C> {
        self.with(Source::later_async(make))
    }
}

impl<C: State> Server<C> {
    /// As [`Server::build`], with options of the program's own ([`Server::args`]) as a command line would give them, for
    /// tests and embedding. [`Server::build`] reads them from the environment.
    ///
    /// # Errors
    ///
    /// As for [`Server::build`], or an option is missing or has a wrong value.
    pub fn build_with<T: Into<OsString>>(
        mut self,
        options: impl IntoIterator<Item = T>,
    ) -> Result<crate::Service, StartError> {
        let options = options.into_iter().map(Into::into).collect();
        if let Some(own) = self.config.own_arguments {
            self.config.argument_values = Some(own.parse(&self.config.about.name, options)?);
        }
        self.build()
    }
}
