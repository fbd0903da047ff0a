//! An actix-web application with users of its own, protected by Knoxide.
//!
//! ```sh
//! cargo run --example embed
//! curl -d '{"username":"ada","password":"lovelace"}' -H 'Content-Type: application/json' http://127.0.0.1:8081/auth/login/
//! curl -H 'Authorization: Token <the token>' http://127.0.0.1:8081/notes
//! ```
//!
//! An address as the first argument replaces `127.0.0.1:8081`.

#![expect(clippy::print_stdout, reason = "an example prints for the person who runs it")]

use actix_web::{App, HttpServer, web};
use knoxide::{
    Auth, Authenticated, ExternalUser, Guard, HttpOptions, HttpState, LoginName, MaybeAuthenticated, MemoryStore,
    Password, TokenAuth, UserId, UserProvider, UserProviderError,
};

/// This application's own users; a real one would ask its database here.
struct OwnUsers;

impl UserProvider for OwnUsers {
    fn verify(&self, login: &LoginName, password: &Password) -> Result<Option<ExternalUser>, UserProviderError> {
        let ada = *login == LoginName::Username("ada".to_owned()) && password.expose() == "lovelace";
        Ok(ada.then(|| ExternalUser {
            id: UserId(1815),
            username: "ada".to_owned(),
            email: "ada@example.com".to_owned(),
            is_staff: false,
        }))
    }
}

/// Behind the middleware: the handler runs for good tokens only.
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
    let auth = Auth::builder(MemoryStore::new()).user_provider(OwnUsers).build().map_err(std::io::Error::other)?;
    let endpoints = HttpState::new(HttpOptions::default(), auth.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(Guard::new(auth.clone())))
            .service(web::resource("/notes").wrap(TokenAuth::new(auth.clone())).get(notes))
            .route("/greeting", web::get().to(greeting))
            // The endpoints of all dialects, such as POST /auth/login/, and the public keys.
            .configure(|config| knoxide::mount(config, &endpoints))
    })
    .workers(1)
    .bind(address)?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await
}
