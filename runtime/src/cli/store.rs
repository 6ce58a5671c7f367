//! Reads the flags that say where idempotency keys are kept, and runs the command `store`.

#[cfg(feature = "redb")]
use std::path::{Path, PathBuf};
use std::{ffi::OsString, process::ExitCode};

use clap::{Args, Subcommand};
#[cfg(feature = "postgres")]
use tokio::runtime::Builder;

use super::fail;
#[cfg(not(feature = "postgres"))]
use super::missing_feature;
#[cfg(feature = "postgres")]
use super::{DONE, print_stdout};
#[cfg(feature = "redb")]
use crate::store::beside_log;
#[cfg(feature = "postgres")]
use crate::{
    database::{DatabaseAddress, migrate, migration_sql},
    message::Message,
    start_runtime::start_runtime,
};
use crate::{
    idempotency::KeyKeeping,
    server::{Config, arguments::variable},
    start_error::StartError,
    store::{KeyStore, StoreUrl},
};

/// The flags that name the store of a server.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub(super) struct StoreFlags {
    /// Keep idempotency keys in this folder
    ///
    /// The default is DIR.keys beside the folder of the audit log. A call that is sent again with its key does not run
    /// twice. One process at a time uses a folder.
    #[cfg(feature = "redb")]
    #[arg(long, value_name = "DIR", conflicts_with = "store")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseFlags,
}

/// The flags that name a database.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
struct DatabaseFlags {
    /// Keep idempotency keys, and the rest that replicas share, in this PostgreSQL database
    ///
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. Other users of the machine see the arguments of a program: set the
    /// environment variable of this flag, or PGPASSWORD, rather than a password here. The command `store migrate` creates the
    /// tables.
    #[arg(long, value_name = "URL")]
    #[cfg_attr(not(feature = "postgres"), arg(hide = true))]
    store: Option<StoreUrl>,
    /// The name of this server in the database [default: the server's name]
    ///
    /// Replicas with one name share everything; two names on one database share nothing.
    #[arg(long, value_name = "NAME", requires = "store")]
    #[cfg_attr(not(feature = "postgres"), arg(hide = true))]
    deployment: Option<String>,
}

impl StoreFlags {
    /// Configures the store that the flags name. Without flags the server keeps its own store, or gets its user's, beside `log`
    /// if that is set.
    #[cfg(feature = "redb")]
    pub(super) fn configure(
        &self,
        config: &mut Config,
        log: Option<&Path>,
        quiet: bool,
    ) -> Result<(), StartError> {
        let by_default = |store: Option<KeyStore>| KeyKeeping::Default { store, quiet };
        let named = match (self.database.store()?, &self.keys) {
            (Some(store), _) => Some(store),
            (None, Some(folder)) => Some(KeyStore::at(folder)),
            (None, None) => None,
        };
        config.keeping = match (named, log) {
            (Some(store), _) => KeyKeeping::In(store),
            (None, _) if !matches!(config.keeping, KeyKeeping::Unset) => return Ok(()),
            (None, Some(log)) => by_default(Some(KeyStore::at(beside_log(log)))),
            (None, None) => by_default(KeyStore::of_user(&config.about.name)),
        };
        Ok(())
    }

    /// Configures the store that the flags name.
    #[cfg(not(feature = "redb"))]
    pub(super) fn configure(&self, config: &mut Config) -> Result<(), StartError> {
        if let Some(store) = self.database.store()? {
            config.keeping = KeyKeeping::In(store);
        }
        Ok(())
    }

    /// Returns the flags as arguments of a command line.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        #[cfg(feature = "redb")]
        if let Some(folder) = &self.keys {
            arguments.extend(["--keys".into(), folder.into()]);
        }
        if let Some(deployment) = &self.database.deployment {
            arguments.extend(["--deployment".into(), deployment.into()]);
        }
        arguments
    }

    /// Returns the flag that is an environment variable of another process of the program, so that its arguments do not show
    /// a password.
    pub(super) fn variable(&self, server: &str) -> Option<(String, &str)> {
        self.database.store.as_ref().map(|url| (variable(server, "store"), url.0.as_str()))
    }
}

impl DatabaseFlags {
    #[cfg(feature = "postgres")]
    #[expect(clippy::unnecessary_wraps, reason = "without the feature, the flag is refused")]
    fn store(&self) -> Result<Option<KeyStore>, StartError> {
        let store = self.store.as_ref().map(|url| KeyStore::postgres(&url.0));
        Ok(store.map(|store| match &self.deployment {
            Some(name) => store.deployment(name),
            None => store,
        }))
    }

    #[cfg(not(feature = "postgres"))]
    fn store(&self) -> Result<Option<KeyStore>, StartError> {
        match self.store {
            Some(_) => Err(StartError::KeyStore(missing_feature("postgres"))),
            None => Ok(None),
        }
    }
}

#[derive(Args)]
pub(super) struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Subcommand)]
enum StoreCommand {
    /// Create the tables of the store in a database, or change them for this version of the program
    ///
    /// It can be run again: what is there stays. `serve` never changes a table.
    Migrate(MigrateArgs),
}

#[derive(Args)]
struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseFlags,
    /// Give this role the rights that `serve` needs, and no more
    #[arg(long, value_name = "ROLE")]
    serve_role: Option<String>,
    /// Print the SQL that creates the tables, and change nothing
    #[arg(long)]
    print_sql: bool,
}

impl StoreArgs {
    /// Runs the command for the server of this name.
    pub(super) fn run(self, server: &str) -> ExitCode {
        let StoreCommand::Migrate(arguments) = self.command;
        arguments.run(server)
    }
}

impl MigrateArgs {
    #[cfg(feature = "postgres")]
    fn run(self, server: &str) -> ExitCode {
        let deployment = self.database.deployment.as_deref().unwrap_or(server);
        let role = self.serve_role.as_deref();
        if self.print_sql {
            return print_stdout(&migration_sql(deployment, role));
        }
        let Some(url) = &self.database.store else {
            return fail(&Message::new("no database is named").help(format!(
                "add `--store postgres://USER@HOST/DATABASE`, or set {}",
                variable(server, "store")
            )));
        };
        match self.migrate(&url.0, deployment) {
            Ok(address) => {
                let role = role.map(|role| format!("; role `{role}` can serve")).unwrap_or_default();
                print_stdout(&format!("{address} is ready for deployment `{deployment}`{role}\n"));
                ExitCode::from(DONE)
            }
            Err(error) => fail(&error),
        }
    }

    #[cfg(feature = "postgres")]
    fn migrate(&self, url: &str, deployment: &str) -> Result<DatabaseAddress, Message> {
        let address = DatabaseAddress::read(url)?;
        let runtime = start_runtime(&mut Builder::new_current_thread());
        let runtime = runtime.map_err(|error| Message::failure("the migration cannot be started", &error))?;
        let migrated = runtime.block_on(migrate(&address, deployment, self.serve_role.as_deref()));
        migrated.map_err(|error| error.message)?;
        Ok(address)
    }

    #[cfg(not(feature = "postgres"))]
    #[expect(clippy::unused_self, reason = "the same as with the feature `postgres`")]
    fn run(self, _: &str) -> ExitCode {
        fail(&missing_feature("postgres"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        store: StoreFlags,
    }

    fn parse(flags: &[&str]) -> Result<Flags, String> {
        Flags::try_parse_from([&["prices"], flags].concat()).map_err(|error| error.to_string())
    }

    #[test]
    fn address_of_a_store_is_not_shown() {
        let flags = parse(&["--store", "postgres://ada:secret@db/x", "--deployment", "eu"]).unwrap();
        assert!(!format!("{flags:?}").contains("secret"), "{flags:?}");
        let arguments = format!("{:?}", flags.store.arguments());
        assert!(!arguments.contains("secret") && arguments.contains("eu"), "{arguments}");
        let (variable, url) = flags.store.variable("my-prices").unwrap();
        assert_eq!((variable.as_str(), url), ("MY_PRICES_STORE", "postgres://ada:secret@db/x"));
        let error = parse(&["--deployment", "eu"]).unwrap_err();
        assert!(error.contains("--store <URL>"), "{error}");
    }

    #[cfg(not(feature = "postgres"))]
    #[test]
    fn store_without_its_feature_names_the_line_for_cargo_toml() {
        let flags = parse(&["--store", "postgres://ada:secret@db/x"]).unwrap();
        let error = flags.store.database.store().unwrap_err().to_string();
        assert!(error.contains(r#"candor = { version = "0.1", features = ["postgres"] }"#), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
