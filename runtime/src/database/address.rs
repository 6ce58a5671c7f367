//! Reads the address of a database, and decides whether the connection is encrypted.

use std::{fmt, net::IpAddr};

use tokio_postgres::{
    Config,
    config::{Host, SslMode, TargetSessionAttrs},
};

use super::{
    client_error,
    timeouts::{CONNECT_TIMEOUT, STATEMENT_TIMEOUT},
};
use crate::message::Message;

/// The variable of PostgreSQL's own programs that holds the password, for an address without one.
const PASSWORD_VARIABLE: &str = "PGPASSWORD";

/// The address of a database. Its password is never shown.
#[derive(Clone)]
pub(crate) struct DatabaseAddress {
    pub(super) config: Config,
    shown: String,
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl DatabaseAddress {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with the parameters of `libpq` that the client knows.
    pub(crate) fn read(url: &str) -> Result<Self, Message> {
        let expected = |reason: Option<String>| {
            let message = Message::new("the address of the store cannot be read")
                .help("write it as `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with `%40` for an `@` in the password");
            match reason {
                Some(reason) => message.note(reason),
                None => message,
            }
        };
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(expected(None));
        }
        // A certificate is always checked, as both of these demand.
        let url = url.replace("sslmode=verify-full", "sslmode=require");
        let url = url.replace("sslmode=verify-ca", "sslmode=require");
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            // The reason may quote a part of the parameters, which must not be one of the password.
            let credentials = url.rsplit_once('@').map_or("", |(credentials, _)| credentials);
            expected((!credentials.contains('?')).then(|| client_error::reason(&error)))
        })?;
        if config.get_hosts().is_empty() {
            return Err(expected(Some("it names no host".to_owned())));
        }
        if config.get_password().is_none()
            && let Some(password) = std::env::var_os(PASSWORD_VARIABLE)
        {
            config.password(password.as_encoded_bytes());
        }
        if config.get_ssl_mode() == SslMode::Prefer {
            // Encryption that may be left out protects nothing, and a database on this machine needs none.
            let is_local = config.get_hosts().iter().all(is_local);
            config.ssl_mode(if is_local { SslMode::Disable } else { SslMode::Require });
        }
        config
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(STATEMENT_TIMEOUT)
            .keepalives_idle(STATEMENT_TIMEOUT)
            // Of several hosts, the one that takes writes.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        let shown = shown(&config);
        Ok(Self { config, shown })
    }

    /// Gives connections the name of a deployment in the list of the database, unless the address names them.
    pub(super) fn name_connections(&mut self, deployment: &str) {
        if self.config.get_application_name().is_none() {
            self.config.application_name(format!("candor {deployment}"));
        }
    }

    /// The user, for a message.
    pub(super) fn user(&self) -> &str {
        self.config.get_user().unwrap_or("of this process")
    }

    /// The name of the database, for a message.
    pub(super) fn database(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or_default()
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(host) => host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// Writes the address without the password and the parameters.
fn shown(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| {
        let host = match host {
            Host::Tcp(host) if host.contains(':') => format!("[{host}]"),
            Host::Tcp(host) => host.clone(),
            #[cfg(unix)]
            Host::Unix(folder) => folder.display().to_string(),
        };
        // One port can stand for all hosts.
        match ports.get(at).or(ports.first()) {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    });
    let hosts = hosts.collect::<Vec<_>>().join(",");
    let user = config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
    let database = config.get_dbname().map(|name| format!("/{name}")).unwrap_or_default();
    format!("postgres://{user}{hosts}{database}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> SslMode {
        DatabaseAddress::read(url).unwrap().config.get_ssl_mode()
    }

    #[test]
    fn password_is_never_shown() {
        let address = DatabaseAddress::read("postgres://ada:secret@db.example:5433/prices").unwrap();
        assert_eq!(address.to_string(), "postgres://ada@db.example:5433/prices");
        for wrong in ["postgres://ada:secret@db:port/x", "mysql://ada:secret@db/x", "postgres:///secret"] {
            let error = DatabaseAddress::read(wrong).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{wrong}: {error}");
            assert!(error.contains("help: write it as `postgres://"), "{error}");
        }
        // A password that is not encoded may be read in any way, but is not shown.
        for odd in
            ["postgres://ada:se?secret=1@db/x", "postgres://ada:x/secret@db/x", "postgres://ada:secret%@db/x"]
        {
            let shown =
                DatabaseAddress::read(odd).map_or_else(|error| error.to_string(), |read| read.to_string());
            assert!(!shown.contains("secret"), "{odd}: {shown}");
        }
        let option = DatabaseAddress::read("postgres://ada:x@db/x?sslrootcert=x").unwrap_err().to_string();
        assert!(option.contains("unknown option `sslrootcert`"), "{option}");
        assert!(!format!("{address:?} {:?}", address.config).contains("secret"));
    }

    #[test]
    fn connection_to_another_machine_is_encrypted_unless_the_address_says_otherwise() {
        assert_eq!(mode("postgres://db.example/x"), SslMode::Require);
        assert_eq!(mode("postgres://localhost,db.example/x"), SslMode::Require);
        assert_eq!(mode("postgres://db.example/x?sslmode=verify-full"), SslMode::Require);
        assert_eq!(mode("postgres://db.example/x?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("postgres://127.0.0.1/x"), SslMode::Disable);
        assert_eq!(mode("postgres://localhost/x?sslmode=require"), SslMode::Require);
    }
}
