//! Tokens of scripts: list with their last use, make, end.

use std::time::Duration;

use askama::Template;

use super::request::{Answer, Asked, show};
use super::rows::{Further, SessionRow};
use crate::domain::user::UserId;
use crate::http::admin::error::ApiError;
use crate::http::admin::sessions::find;
use crate::http::admin::tokens::{Wanted, make, read_query};
use crate::http::pages::filled::{Form, Outcome, mend};
use crate::http::pages::frame::Frame;
use crate::http::pages::when::When;
use crate::service::admin::ScriptToken;

const TOKENS: &str = "/admin/tokens/";

/// The longest life of a token, in days: 100 years.
const LONGEST: i64 = 100 * 365;

#[derive(Template)]
#[template(path = "admin/tokens.html")]
struct Tokens {
    frame: Frame,
    form: Form,
    rows: Vec<SessionRow>,
    back: String,
    further: Further,
}

pub(super) async fn list(mut asked: Asked) -> Answer {
    let frame = asked.frame_after_act("Scripts' tokens", TOKENS);
    let form = Form::of(&asked.call.fields);
    let query = read_query(&mut asked.call.fields);
    let found = match asked.call.finish() {
        Ok(()) => find(&asked.call, query).await,
        Err(refusal) => Err(refusal),
    };
    let back = format!("{TOKENS}?{}", form.query(&[]));
    match mend(found)? {
        Outcome::Done(found) => {
            let further = Further::of(&asked, &form, TOKENS, &found);
            show(&Tokens { frame, form, rows: SessionRow::all(&asked, found.page.results), back, further })
        }
        Outcome::Wrong(refusal) => {
            let further = Further::default();
            show(&Tokens { frame, form: form.refused(&refusal), rows: Vec::new(), back, further })
        }
    }
}

#[derive(Template)]
#[template(path = "admin/token_new.html")]
struct NewToken {
    frame: Frame,
    form: Form,
}

pub(super) async fn new(mut asked: Asked) -> Answer {
    let form = Form::of(&asked.call.fields);
    let _ = asked.call.fields.text("user");
    asked.call.finish()?;
    show(&NewToken { frame: asked.frame("New token", TOKENS), form })
}

/// A token, which is shown once.
#[derive(Template)]
#[template(path = "admin/token_made.html")]
struct TokenMade {
    frame: Frame,
    value: String,
    expires: Option<When>,
}

pub(super) async fn create(mut asked: Asked) -> Answer {
    let form = Form::of(&asked.call.fields);
    let fields = &mut asked.call.fields;
    let user = fields.user("user");
    let user = fields.require("user", user).unwrap_or(UserId(0));
    let name = fields.required_text("name");
    let days = fields.number("days", 1..=LONGEST).map(i64::unsigned_abs);
    let lifetime = days.map(|days| Duration::from_secs(days * 24 * 3600));
    let wanted = Wanted { user, name, lifetime, for_administration: fields.flag("admin").unwrap_or(false) };
    let made = match asked.call.finish() {
        Ok(()) => make(&asked.call, wanted).await.map_err(in_terms_of_the_form),
        Err(refusal) => Err(refusal),
    };
    match mend(made)? {
        Outcome::Done(ScriptToken { token, expires, .. }) => show(&TokenMade {
            frame: asked.frame("Token made", TOKENS),
            value: token.expose().to_owned(),
            expires: expires.map(|at| asked.when(at)),
        }),
        Outcome::Wrong(refusal) => {
            show(&NewToken { frame: asked.frame("New token", TOKENS), form: form.refused(&refusal) })
        }
    }
}

/// The form asks for days where the API asks for seconds, and for a user who may not be there.
fn in_terms_of_the_form(mut refusal: ApiError) -> ApiError {
    if let Some(problem) = refusal.fields.remove("expires_in") {
        refusal.fields.insert("days".to_owned(), problem);
    }
    if refusal.is_not_found() {
        let fields = [("user".to_owned(), "there is no user with this number".to_owned())];
        return ApiError::invalid_fields(fields.into());
    }
    refusal
}
