//! `knoxide key …`

use serde_json::{Value, json};

use super::answer::{Answer, Answered, Code, Failure};
use super::args::Key as Action;
use super::{Context, Missing};
use crate::jwt::{Algorithm, KeyPurpose, PUBLISHED_FIRST};
use crate::store::diesel::{DieselStore, KeyEntry, KeyError, Retiring};
use crate::time::Timestamp;

/// Does what was typed after `key`.
pub(super) fn run(action: &Action, context: &Context<'_>) -> Answered {
    match *action {
        Action::List => list(context),
        Action::Rotate { algorithm } => rotate(algorithm.unwrap_or(context.settings.jwt.algorithm), context),
        Action::Retire { id } => retire(id, context),
    }
}

/// Reads an algorithm's name.
pub(super) fn parse_algorithm(text: &str) -> Result<Algorithm, String> {
    let names = || Algorithm::ALL.map(Algorithm::as_str).join(", ");
    Algorithm::from_name(text).ok_or_else(|| format!("write one of {}", names()))
}

/// What a key does now.
enum State {
    Signs,
    SignsFrom(Timestamp),
    Replaced,
    Retired(Timestamp),
    MakesSuccessors,
}

impl State {
    /// Of `entry` among `all`, which are oldest first: the newest key signs that was there for
    /// long enough, or else the oldest.
    fn of(entry: &KeyEntry, all: &[KeyEntry], now: Timestamp) -> Self {
        if let Some(at) = entry.retired {
            return Self::Retired(at);
        }
        if entry.purpose == KeyPurpose::Successors {
            return Self::MakesSuccessors;
        }
        let from = |entry: &KeyEntry| entry.created.saturating_add(PUBLISHED_FIRST);
        let mut like_it =
            all.iter().filter(|other| other.purpose == entry.purpose && other.retired.is_none()).peekable();
        let oldest = like_it.peek().map(|oldest| oldest.id);
        let signing = like_it.rfind(|other| from(other) <= now).map(|newest| newest.id).or(oldest);
        match signing {
            Some(id) if id == entry.id => Self::Signs,
            Some(id) if id > entry.id => Self::Replaced,
            Some(_) | None => Self::SignsFrom(from(entry)),
        }
    }

    fn as_text(&self) -> String {
        match self {
            Self::Signs => "signs".to_owned(),
            Self::SignsFrom(from) => format!("signs from {from}"),
            Self::Replaced => "replaced".to_owned(),
            Self::Retired(at) => format!("retired {at}"),
            Self::MakesSuccessors => "makes successors of refresh tokens".to_owned(),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Signs => "signs",
            Self::SignsFrom(_) => "waits",
            Self::Replaced => "replaced",
            Self::Retired(_) => "retired",
            Self::MakesSuccessors => "makes_successors",
        }
    }
}

const fn algorithm_of(entry: &KeyEntry) -> Option<&'static str> {
    match entry.purpose {
        KeyPurpose::Sign(algorithm) => Some(algorithm.as_str()),
        KeyPurpose::Successors => None,
    }
}

fn list(context: &Context<'_>) -> Answered {
    let entries = context.open(Missing::Refuse)?.list_keys()?;
    let now = context.clock.now();
    let (mut rows, mut json) = (Vec::new(), Vec::new());
    for entry in &entries {
        let state = State::of(entry, &entries, now);
        let place = if entry.in_settings { "settings" } else { "database" };
        rows.push([
            entry.id.to_string(),
            algorithm_of(entry).unwrap_or("-").to_owned(),
            place.to_owned(),
            entry.created.to_string(),
            state.as_text(),
        ]);
        json.push(entry_json(entry, &state, place));
    }
    Ok(Answer::table(["ID", "ALGORITHM", "SECRET IN", "CREATED", "STATE"], rows, json))
}

fn entry_json(entry: &KeyEntry, state: &State, place: &str) -> Value {
    json!({
        "id": entry.id,
        "algorithm": algorithm_of(entry),
        "secret_in": place,
        "created": entry.created.to_string(),
        "retired": entry.retired.map(|at| at.to_string()),
        "state": state.name(),
    })
}

fn rotate(algorithm: Algorithm, context: &Context<'_>) -> Answered {
    let store = context.open(Missing::Refuse)?;
    let given = context.settings.jwt.secret.as_ref();
    if algorithm == Algorithm::Hs256 && given.is_some() && is_in_use(&store, context)? {
        let message = "KNOXIDE_JWT_SECRET is the secret in use: give a new one, here and then to every node";
        return Err(Failure::new(Code::Refused, message));
    }
    let now = context.clock.now();
    store.rotate_key(algorithm, given, context.random.as_ref(), now)?;
    let from = now.saturating_add(PUBLISHED_FIRST);
    let name = algorithm.as_str();
    let mut text = format!("There is a new {name} key. It signs from {from} on; what older ones signed stays good.");
    if algorithm == Algorithm::Hs256 && given.is_some() {
        text.push_str(
            "\nGive KNOXIDE_JWT_SECRET to every node now, and restart it: until then it signs with the old one.",
        );
    } else if algorithm != context.settings.jwt.algorithm && algorithm != Algorithm::Hs256 {
        text.push_str(&format!("\nNodes sign access tokens with it where KNOXIDE_JWT_ALGORITHM is {name}."));
    }
    Ok(Answer::new(text, json!({ "algorithm": name, "signs_from": from.to_string() })))
}

/// Whether the secret of the settings is that of the newest HS256 key.
fn is_in_use(store: &DieselStore, context: &Context<'_>) -> Result<bool, Failure> {
    match store.load_keys(context.settings.jwt.secret.as_ref()) {
        Ok(keys) => Ok(keys.iter().any(|key| key.purpose == KeyPurpose::Sign(Algorithm::Hs256))),
        Err(KeyError::OtherSecret | KeyError::SecretNotGiven) => Ok(false),
        Err(error @ (KeyError::Store(_) | KeyError::Bad(_))) => Err(error.into()),
    }
}

fn retire(id: i64, context: &Context<'_>) -> Answered {
    match context.open(Missing::Refuse)?.retire_key(id, context.clock.now())? {
        Retiring::Done => {
            let text = format!(
                "Key {id} is retired: within seconds no node signs with it or publishes it. Tokens that it signed are \
                 good here until they end; others can no longer verify them offline."
            );
            Ok(Answer::new(text, json!({ "id": id })))
        }
        Retiring::Unknown => Err(Failure::new(Code::NotFound, format!("there is no key {id} in use"))),
        Retiring::StillNeeded => {
            let message = format!(
                "key {id} is the only one of its kind, and nothing could be made without it: if it signs, run `knoxide \
                 key rotate` with its algorithm first"
            );
            Err(Failure::new(Code::Refused, message))
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => error.into(),
            KeyError::Bad(error) => Self::new(Code::Failed, error.to_string()),
            KeyError::OtherSecret | KeyError::SecretNotGiven => Self::new(Code::Usage, error.to_string()),
        }
    }
}
