//! Makes the encryption of connections to a database.

use std::sync::Arc;

use rustls::{ClientConfig, crypto::ring};
use rustls_platform_verifier::Verifier;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::message::Message;

/// Returns what encrypts a connection. The database's certificate must be one that this machine trusts, for the host of the
/// address.
pub(super) fn connector() -> Result<MakeRustlsConnect, Message> {
    let provider = Arc::new(ring::default_provider());
    let failed = |error: rustls::Error| {
        Message::new(format!("the certificates of this machine cannot be read: {error}"))
            .help("install them, as with the package `ca-certificates`, or name a file in SSL_CERT_FILE")
    };
    // With this verifier and no other: the method is named for those that check less.
    let verifier = Verifier::new(Arc::clone(&provider)).map_err(failed)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
