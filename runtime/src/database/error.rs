//! Says why a database does not do its work, and what to type next.

use tokio_postgres::{Error, error::SqlState};

use super::{address::DatabaseAddress, client_error};
use crate::message::Message;

/// The reason why the database did not do its work.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseError {
    /// The reason, for the operator.
    pub(crate) message: Message,
    /// Whether the database takes no further connection.
    pub(super) is_connection_limit: bool,
}

impl From<Message> for DatabaseError {
    fn from(message: Message) -> Self {
        Self { message, is_connection_limit: false }
    }
}

impl DatabaseError {
    pub(super) fn of(error: &Error, address: &DatabaseAddress) -> Self {
        Self {
            message: match error.as_db_error() {
                Some(refusal) => of_refusal(refusal.code(), refusal.message(), address),
                None => of_connection(error, address),
            },
            is_connection_limit: error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS),
        }
    }

    /// The database did not answer in time.
    pub(super) fn timeout(address: &DatabaseAddress) -> Self {
        Message::new(format!("the database {address} does not answer"))
            .help("check that it runs, and that this machine reaches it")
            .into()
    }

    /// The connection ended before the answer.
    pub(super) fn lost(address: &DatabaseAddress) -> Self {
        Message::new(format!("the connection to the database {address} ended")).into()
    }

    /// The store was closed.
    pub(crate) fn closed() -> Self {
        Message::new("the store is closed").into()
    }
}

/// Words a refusal of the database itself.
fn of_refusal(code: &SqlState, reason: &str, address: &DatabaseAddress) -> Message {
    let user = address.user();
    let failed = |fact: String| Message::new(fact).note(reason.to_owned());
    match code {
        &SqlState::INVALID_PASSWORD => failed(format!("the database {address} refuses the password"))
            .help("correct it in the address of the store, or in PGPASSWORD if the address has none"),
        &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            failed(format!("the database {address} refuses user `{user}`"))
                .help("create the role, or let it in: `pg_hba.conf` says who may connect from where")
        }
        &SqlState::INVALID_CATALOG_NAME => {
            let database = address.database();
            failed(format!("the server of {address} has no database `{database}`"))
                .help(format!("create it, as with `createdb {database}`, or correct the address of the store"))
        }
        &SqlState::INSUFFICIENT_PRIVILEGE => {
            failed(format!("user `{user}` lacks rights in the database {address}")).help(format!(
                "as the owner of the tables, run `store migrate --serve-role {user}`, which grants those that `serve` needs"
            ))
        }
        &SqlState::UNDEFINED_OBJECT => failed(format!("the database {address} lacks a role"))
            .help("create it, as with `createuser --login --pwprompt ROLE`, or correct `--serve-role`"),
        &SqlState::TOO_MANY_CONNECTIONS => {
            failed(format!("the database {address} takes no further connection")).help(
                "raise its limit (`max_connections`, or that of the role): a replica needs one connection, and uses \
                 two if it can",
            )
        }
        &SqlState::INVALID_SQL_STATEMENT_NAME => {
            failed(format!("the database {address} is behind a pooler that changes connections between transactions"))
                .help("set the pooler to whole sessions (`pool_mode = session` of PgBouncer), or name the database itself")
        }
        &SqlState::DISK_FULL => failed(format!("the disk of the database {address} is full"))
            .help("make room there: calls go on by themselves"),
        &SqlState::READ_ONLY_SQL_TRANSACTION => failed(format!("the database {address} takes no writes"))
            .help("name its primary server in the address of the store, or all of its hosts, with commas"),
        &SqlState::UNDEFINED_TABLE
        | &SqlState::UNDEFINED_COLUMN
        | &SqlState::UNDEFINED_FUNCTION
        | &SqlState::INVALID_SCHEMA_NAME => {
            failed(format!("the database {address} lacks a part of the store")).help("run `store migrate`")
        }
        _ => failed(format!("the database {address} fails (SQLSTATE {})", code.code())),
    }
}

/// Words a failure of the connection.
fn of_connection(error: &Error, address: &DatabaseAddress) -> Message {
    let reason = client_error::reason(error);
    let message = Message::new(format!("the database {address} cannot be reached")).note(reason.clone());
    if reason.contains("server does not support TLS") {
        return message
            .help("switch encryption on there, or add `?sslmode=disable` to the address on a network that you trust");
    }
    if reason.contains("TLS") {
        return message.help(
            "give the database a certificate for this host name from an issuer that this machine trusts; \
             SSL_CERT_FILE can name the issuer's",
        );
    }
    message.help("check the host and the port in the address of the store, and that the database runs")
}
