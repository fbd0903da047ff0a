//! Tokens of scripts: list them, and make one.

use std::time::Duration;

use askama::Template;

use super::request::{Answer, PageRequest, show};
use super::rows::{Further, SessionRow};
use crate::http::admin::error::ApiError;
use crate::http::admin::sessions::find;
use crate::http::admin::tokens::{self, make, read_query};
use crate::http::pages::form::{Form, split_refusals};
use crate::http::pages::layout::Layout;
use crate::http::pages::relative_time::RelativeTime;
use crate::service::admin::ScriptToken;

const TOKENS: &str = "/admin/tokens/";

/// The longest lifetime of a token, in days: 100 years.
const LONGEST: i64 = 100 * 365;

#[derive(Template)]
#[template(path = "admin/tokens.html")]
struct Tokens {
    layout: Layout,
    form: Form,
    rows: Vec<SessionRow>,
    back: String,
    further: Further,
}

pub(super) async fn list(mut request: PageRequest) -> Answer {
    let layout = request.layout_after_action("Scripts' tokens", TOKENS);
    let form = Form::of(&request.call.fields);
    let query = read_query(&mut request.call.fields);
    let found = match request.call.finish() {
        Ok(()) => find(&request.call, query).await,
        Err(refusal) => Err(refusal),
    };
    let back = format!("{TOKENS}?{}", form.query(&[]));
    let (form, found) = form.accept(found)?;
    let further = Further::of(&request, &form, TOKENS, &found);
    show(&Tokens { layout, form, rows: SessionRow::all(&request, found.page.results), back, further })
}

#[derive(Template)]
#[template(path = "admin/token_new.html")]
struct NewToken {
    layout: Layout,
    form: Form,
}

pub(super) async fn new(mut request: PageRequest) -> Answer {
    let form = Form::of(&request.call.fields);
    let _ = request.call.fields.text("user");
    request.call.finish()?;
    show(&NewToken { layout: request.layout("New token", TOKENS), form })
}

/// A new token, which is shown once.
#[derive(Template)]
#[template(path = "admin/token_made.html")]
struct TokenMade {
    layout: Layout,
    value: String,
    expires: Option<RelativeTime>,
}

pub(super) async fn create(mut request: PageRequest) -> Answer {
    let form = Form::of(&request.call.fields);
    let fields = &mut request.call.fields;
    let user = fields.required_user("user");
    let name = fields.required_text("name");
    let days = fields.number("days", 1..=LONGEST).map(i64::unsigned_abs);
    let lifetime = days.map(|days| Duration::from_secs(days * 24 * 3600));
    let for_administration = fields.flag("admin").unwrap_or(false);
    let new = tokens::NewToken { user, name, lifetime, for_administration };
    let made = match request.call.finish() {
        Ok(()) => make(&request.call, new).await.map_err(for_the_form),
        Err(refusal) => Err(refusal),
    };
    match split_refusals(made)? {
        Ok(ScriptToken { token, expires, .. }) => show(&TokenMade {
            layout: request.layout("Token made", TOKENS),
            value: token.expose().to_owned(),
            expires: expires.map(|at| request.when(at)),
        }),
        Err(refusal) => show(&NewToken { layout: request.layout("New token", TOKENS), form: form.refused(&refusal) }),
    }
}

/// Assigns mistakes to the fields of the form. It has days where the API has seconds, and a user who may not exist.
fn for_the_form(mut refusal: ApiError) -> ApiError {
    if let Some(problem) = refusal.fields.remove("expires_in") {
        refusal.fields.insert("days".to_owned(), problem);
    }
    if refusal.is_not_found() {
        let fields = [("user".to_owned(), "there is no user with this number".to_owned())];
        return ApiError::invalid_fields(fields.into());
    }
    refusal
}
