//! `knoxide key …`

use serde_json::json;

use super::answer::{Answer, Answered, to_json};
use super::args::Key as Action;
use super::{Context, Missing};
use crate::domain::jwt::Algorithm;
use crate::service::admin::{KeyState, ListedKey};

/// Runs the arguments after `key`.
pub(super) fn run(action: &Action, context: &Context<'_>) -> Answered {
    match *action {
        Action::List => {
            let keys = context.admin(Missing::Refuse)?.list_keys()?;
            Answer::table(["ID", "ALGORITHM", "SECRET IN", "CREATED", "STATE"], &keys, row)
        }
        Action::Rotate { algorithm } => rotate(algorithm.unwrap_or(context.settings.jwt.algorithm), context),
        Action::Retire { id } => {
            context.admin(Missing::Refuse)?.retire_key(id)?;
            let text = format!(
                "Key {id} is retired: within seconds no node signs with it or publishes it. Tokens that it signed are \
                 good here until they end; others can no longer verify them offline."
            );
            Ok(Answer::new(text, json!({ "id": id })))
        }
    }
}

/// Parses an algorithm's name.
pub(super) fn parse_algorithm(text: &str) -> Result<Algorithm, String> {
    let names = || Algorithm::ALL.map(Algorithm::as_str).join(", ");
    Algorithm::from_name(text).ok_or_else(|| format!("write one of {}", names()))
}

fn row(key: &ListedKey) -> [String; 5] {
    let state = match (key.state, key.retired) {
        (KeyState::Signs, _) => "signs".to_owned(),
        (KeyState::Waits, _) => format!("signs from {}", key.signs_from()),
        (KeyState::Replaced, _) => "replaced".to_owned(),
        (KeyState::Retired, Some(at)) => format!("retired {at}"),
        (KeyState::Retired, None) => "retired".to_owned(),
        (KeyState::MakesSuccessors, _) => "makes successors of refresh tokens".to_owned(),
    };
    let algorithm = key.algorithm.unwrap_or("-").to_owned();
    [key.id.to_string(), algorithm, key.secret_in.to_owned(), key.created.to_string(), state]
}

fn rotate(algorithm: Algorithm, context: &Context<'_>) -> Answered {
    let given = context.settings.jwt.secret.as_ref();
    let rotated = context.admin(Missing::Refuse)?.rotate_key(algorithm, given)?;
    let (name, from) = (rotated.algorithm, rotated.signs_from);
    let mut text = format!("There is a new {name} key. It signs from {from} on; tokens of older keys stay good.");
    if algorithm == Algorithm::Hs256 && given.is_some() {
        text.push_str(
            "\nSet KNOXIDE_JWT_SECRET on every node now, and restart it: until then it signs with the old one.",
        );
    } else if algorithm != context.settings.jwt.algorithm && algorithm != Algorithm::Hs256 {
        text.push_str(&format!("\nNodes sign access tokens with it where KNOXIDE_JWT_ALGORITHM is {name}."));
    }
    Ok(Answer::new(text, to_json(&rotated)?))
}
