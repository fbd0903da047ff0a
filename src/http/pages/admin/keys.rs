//! Keys that sign JWTs: list, rotate.

use askama::Template;

use super::request::{Answer, Asked, go, show};
use crate::domain::jwt::Algorithm;
use crate::http::admin::error::ApiError;
use crate::http::admin::keys::rotate_to;
use crate::http::pages::filled::{Form, Outcome, mend};
use crate::http::pages::frame::Frame;
use crate::http::pages::when::When;
use crate::service::admin::desk::Length;
use crate::service::admin::{Admin, KeyState};

const KEYS: &str = "/admin/keys/";

struct KeyRow {
    id: i64,
    algorithm: &'static str,
    state: &'static str,
    secret_in: &'static str,
    created: When,
    retired: Option<When>,
}

#[derive(Template)]
#[template(path = "admin/keys.html")]
struct Keys {
    frame: Frame,
    form: Form,
    rows: Vec<KeyRow>,
    algorithms: Vec<&'static str>,
    usual: &'static str,
}

pub(super) async fn list(mut asked: Asked) -> Answer {
    let frame = asked.frame_after_act("Keys", KEYS);
    asked.call.finish()?;
    page(&asked, frame, Form::default()).await
}

async fn page(asked: &Asked, frame: Frame, form: Form) -> Answer {
    let keys = asked.call.run(Length::Short, Admin::list_keys).await?;
    let rows = keys.into_iter().rev().map(|key| KeyRow {
        id: key.id,
        algorithm: key.algorithm.unwrap_or("–"),
        state: match key.state {
            KeyState::Signs => "signs",
            KeyState::Waits => "published, signs soon",
            KeyState::Replaced => "replaced, still good",
            KeyState::Retired => "retired",
            KeyState::MakesSuccessors => "makes successors of refresh tokens",
        },
        secret_in: key.secret_in,
        created: asked.when(key.created),
        retired: key.retired.map(|at| asked.when(at)),
    });
    let algorithms = Algorithm::ALL.into_iter().map(Algorithm::as_str).collect();
    let usual = asked.call.state.settings().algorithm.as_str();
    show(&Keys { frame, form, rows: rows.collect(), algorithms, usual })
}

pub(super) async fn rotate(mut asked: Asked) -> Answer {
    let form = Form::of(&asked.call.fields);
    let named = |text: &str| Algorithm::ALL.into_iter().find(|known| known.as_str() == text);
    let algorithm = asked.call.fields.parsed("algorithm", "HS256, EdDSA or RS256", named);
    let algorithm = asked.call.fields.require("algorithm", algorithm);
    let rotated: Result<_, ApiError> = match (asked.call.finish(), algorithm) {
        (Ok(()), Some(algorithm)) => rotate_to(&asked.call, algorithm).await,
        (Ok(()), None) => Err(ApiError::invalid("choose an algorithm")),
        (Err(refusal), _) => Err(refusal),
    };
    match mend(rotated)? {
        Outcome::Done(_) => go(&format!("{KEYS}?done=key-rotated")),
        Outcome::Wrong(refusal) => page(&asked, asked.frame("Keys", KEYS), form.refused(&refusal)).await,
    }
}
