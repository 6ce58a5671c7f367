//! A TCP proxy that cuts its connections, as a network does that fails for a moment.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A proxy in front of a server.
pub struct CutProxy {
    /// Its address.
    pub address: SocketAddr,
    is_up: watch::Sender<bool>,
}

impl CutProxy {
    /// Starts a proxy in front of this address.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let is_up = watch::Sender::new(true);
        let state = is_up.subscribe();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.expect("it listens");
                tokio::spawn(connection(client, server, state.clone()));
            }
        });
        Self { address, is_up }
    }

    /// Cuts all connections. New ones are closed at once until the network is restored.
    pub fn cut(&self) {
        self.is_up.send_replace(false);
    }

    /// Lets new connections through.
    pub fn restore(&self) {
        self.is_up.send_replace(true);
    }
}

async fn connection(mut client: TcpStream, server: SocketAddr, mut is_up: watch::Receiver<bool>) {
    if !*is_up.borrow() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = is_up.wait_for(|is_up| !is_up) => {}
    }
}
