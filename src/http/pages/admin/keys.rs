//! Keys that sign JWTs: list and rotate them.

use askama::Template;

use super::request::{Answer, PageRequest, redirect, show};
use crate::domain::jwt::Algorithm;
use crate::http::admin::error::ApiError;
use crate::http::admin::keys::{read_algorithm, rotate_to};
use crate::http::pages::form::{Form, split_refusals};
use crate::http::pages::layout::Layout;
use crate::http::pages::relative_time::RelativeTime;
use crate::service::admin::desk::Length;
use crate::service::admin::{Admin, KeyState};

const KEYS: &str = "/admin/keys/";

struct KeyRow {
    id: i64,
    algorithm: &'static str,
    state: &'static str,
    secret_in: &'static str,
    created: RelativeTime,
    retired: Option<RelativeTime>,
}

#[derive(Template)]
#[template(path = "admin/keys.html")]
struct Keys {
    layout: Layout,
    form: Form,
    rows: Vec<KeyRow>,
    algorithms: Vec<&'static str>,
    default: &'static str,
}

pub(super) async fn list(mut request: PageRequest) -> Answer {
    let layout = request.layout_after_action("Keys", KEYS);
    request.call.finish()?;
    page(&request, layout, Form::default()).await
}

async fn page(request: &PageRequest, layout: Layout, form: Form) -> Answer {
    let keys = request.call.run(Length::Short, Admin::list_keys).await?;
    let rows = keys.into_iter().rev().map(|key| KeyRow {
        id: key.id,
        algorithm: key.algorithm.unwrap_or("–"),
        state: match key.state {
            KeyState::Signs => "signs",
            KeyState::Waits => "published, signs soon",
            KeyState::Replaced => "replaced, still valid",
            KeyState::Retired => "retired",
            KeyState::MakesSuccessors => "makes successors of refresh tokens",
        },
        secret_in: key.secret_in,
        created: request.when(key.created),
        retired: key.retired.map(|at| request.when(at)),
    });
    let algorithms = Algorithm::ALL.into_iter().map(Algorithm::as_str).collect();
    let default = request.call.state.settings().algorithm.as_str();
    show(&Keys { layout, form, rows: rows.collect(), algorithms, default })
}

pub(super) async fn rotate(mut request: PageRequest) -> Answer {
    let form = Form::of(&request.call.fields);
    let algorithm = read_algorithm(&mut request.call.fields);
    let algorithm = request.call.fields.require("algorithm", algorithm);
    let rotated: Result<_, ApiError> = match (request.call.finish(), algorithm) {
        (Ok(()), Some(algorithm)) => rotate_to(&request.call, algorithm).await,
        (Ok(()), None) => Err(ApiError::invalid("choose an algorithm")),
        (Err(refusal), _) => Err(refusal),
    };
    match split_refusals(rotated)? {
        Ok(_) => redirect(&format!("{KEYS}?done=key-rotated")),
        Err(refusal) => page(&request, request.layout("Keys", KEYS), form.refused(&refusal)).await,
    }
}
