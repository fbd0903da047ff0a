//! An actix-web application whose users log in at a Knoxide server beside it.
//!
//! ```sh
//! knoxide client add shop --rights batch      # prints the id and the secret
//! KNOXIDE_URL=http://127.0.0.1:8080 KNOXIDE_CLIENT_ID=<id> KNOXIDE_CLIENT_SECRET=<secret> \
//!     cargo run -p knoxide-remote --example app
//! curl -H 'Authorization: Token <the token of a login>' http://127.0.0.1:8081/notes
//! ```
//!
//! An address as the first argument replaces `127.0.0.1:8081`.

#![expect(clippy::print_stdout, reason = "an example prints for the person who runs it")]
#![expect(clippy::disallowed_methods, reason = "an example reads its settings from the environment")]

use actix_web::{App, HttpServer, web};
use knoxide_remote::{Authenticated, Guard, MaybeAuthenticated, Remote, TokenAuth};

/// Behind the middleware: the handler runs for live tokens only.
async fn notes(Authenticated(who): Authenticated) -> String {
    format!("the notes of {}", who.user.username)
}

/// Without the middleware: the extractor checks by itself, and lets anonymous requests through.
async fn greeting(MaybeAuthenticated(who): MaybeAuthenticated) -> String {
    who.map_or_else(|| "hello, stranger".to_owned(), |who| format!("hello, {}", who.user.username))
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    let setting = |name: &str| std::env::var(name).map_err(std::io::Error::other);
    let (id, secret) = (setting("KNOXIDE_CLIENT_ID")?, setting("KNOXIDE_CLIENT_SECRET")?);
    let remote = Remote::at(&setting("KNOXIDE_URL")?, &id, &secret).build().map_err(std::io::Error::other)?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(Guard::new(remote.clone())))
            .service(web::resource("/notes").wrap(TokenAuth::new(remote.clone())).get(notes))
            .route("/greeting", web::get().to(greeting))
    })
    .workers(1)
    .bind(address)?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await
}
