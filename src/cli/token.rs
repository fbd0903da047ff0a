//! `knoxide token create`

use serde_json::json;

use super::answer::{Answer, Answered, Code, Failure};
use super::args::Token as Action;
use super::{Context, user};
use crate::config::parse_time_to_live;
use crate::domain::audit::Event;
use crate::domain::dialect::Dialect;
use crate::domain::escape::visible;
use crate::domain::session::SessionKind;

/// Runs the arguments after `token`.
pub(super) fn run(action: Action, context: &Context<'_>) -> Answered {
    let Action::Create { user, name, ttl, admin: for_administration } = action;
    let kind = if for_administration { SessionKind::AdminScript } else { Dialect::Knox.into() };
    let ttl = match ttl {
        Some(text) => parse_time_to_live(&text)
            .map_err(|problem| Failure::new(Code::Usage, format!("--ttl: {text:?} {problem}")))?,
        None if for_administration => None,
        None => context.settings.tokens.policy.dialects.knox.access_ttl,
    };
    let (admin, user) = user::find_for(Event::TokenCreated, &user.user, context)?;
    let made = admin.create_token(&user, name, ttl, kind)?;
    let (token, session) = (&made.token, made.session);
    let until = made.expires.map_or_else(|| "until its session is ended".to_owned(), |at| format!("until {at}"));
    let text = format!(
        "{}\n\nThis is {}'s new token; it cannot be shown again. It is good {until}.\nIts session is {session}.",
        token.expose(),
        visible(&user.username),
    );
    let json = json!({ "token": token.expose(), "session": session, "username": user.username,
                       "expires": made.expires });
    Ok(Answer::new(text, json))
}
