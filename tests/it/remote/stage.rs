//! A client of a server, and a handler behind its middleware.

use std::time::Duration;

use knoxide::domain::client::Rights;
use knoxide::service::admin::AddedClient;
use knoxide_remote::{Authenticated, Remote, RemoteBuilder};

use crate::harness::app::App;

/// Longer than any check takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Registers a client with these rights.
pub(crate) fn register(app: &App, rights: &str) -> AddedClient {
    let name = format!("client {}", app.admin().list_clients(None, 100).expect("clients").len());
    app.admin().add_client(name, Rights::parse(rights).expect("rights"), None).expect("a client")
}

/// The server, asked as this client.
pub(super) fn as_client(app: &App, client: &AddedClient) -> RemoteBuilder {
    let url = format!("http://{}", app.address);
    Remote::at(&url, &client.id.to_string(), client.secret.expose()).timeout(PATIENCE)
}

/// The server, asked as a new client.
pub(crate) fn remote(app: &App) -> Remote {
    as_client(app, &register(app, "batch")).build().expect("a remote")
}

pub(crate) async fn whoami(Authenticated(who): Authenticated) -> String {
    who.user.username
}
