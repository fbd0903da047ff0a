//! `knoxide token create`

use std::time::Duration;

use serde_json::json;

use super::answer::{Answer, Answered, Code, Failure};
use super::args::Token as Action;
use super::{Context, Missing, user};
use crate::cause::{Cause, Reason};
use crate::config::parse_time_to_live;
use crate::dialect::Dialect;
use crate::session::SessionId;
use crate::store::{NewSession, NewToken, Opening, Store};
use crate::token::{Token, TokenKind};
use crate::visible::{is_unseen, visible};

/// The longest name of a token, in characters.
const MAX_NAME: usize = 150;

/// Does what was typed after `token`.
pub(super) fn run(action: Action, context: &Context<'_>) -> Answered {
    let Action::Create { user, name, ttl } = action;
    if name.trim().is_empty() || name.chars().count() > MAX_NAME || name.contains(is_unseen) {
        return Err(Failure::new(Code::Usage, "--name must have 1 to 150 visible characters"));
    }
    let ttl = match ttl {
        Some(text) => parse_time_to_live(&text)
            .map_err(|problem| Failure::new(Code::Usage, format!("--ttl: {text:?} {problem}")))?,
        None => context.settings.tokens.policy.dialects.knox.access_ttl,
    };
    create(&user.user, name, ttl, context)
}

fn create(typed: &str, name: String, ttl: Option<Duration>, context: &Context<'_>) -> Answered {
    let mut connection = context.open(Missing::Refuse)?.connect()?;
    let user = user::find(connection.as_mut(), typed)?;
    let now = context.clock.now();
    let token = Token::generate(context.random.as_ref(), &context.settings.tokens.policy.token_prefix)?;
    let mut tail = [0; 10];
    context.random.fill(&mut tail)?;
    let id = SessionId::new(now, &tail);
    let expires = ttl.map(|ttl| now.saturating_add(ttl));
    let new = NewSession {
        id,
        user: user.id,
        epoch: user.epoch,
        dialect: Dialect::Knox,
        name: Some(name),
        tokens: vec![NewToken { digest: token.digest(), kind: TokenKind::Access, expires, key: None }],
        // An operator's word counts for more than the limit on logins.
        limit: None,
        network: None,
        cause: Cause { at: now, ..context.cause(Reason::TokenCreated) },
    };
    match connection.open_session(&new)? {
        Opening::Opened => {
            let until = expires.map_or_else(|| "until its session is ended".to_owned(), |at| format!("until {at}"));
            let text = format!(
                "{}\n\nThis is {}'s new token; nobody can show it again. It is good {until}.\nIts session is {id}.",
                token.expose(),
                visible(&user.username),
            );
            let json = json!({ "token": token.expose(), "session": id.to_string(), "username": user.username,
                               "expires": expires.map(|at| at.to_string()) });
            Ok(Answer::new(text, json))
        }
        Opening::Denied => {
            Err(Failure::new(Code::Refused, format!("the user {:?} is not active, or has just changed", user.username)))
        }
        Opening::LimitReached => Err(Failure::new(Code::Refused, "the user has as many sessions as allowed")),
    }
}
