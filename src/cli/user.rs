//! `knoxide user …`

use serde_json::{Value, json};

use super::answer::{Answer, Answered, Code, Failure, table};
use super::args::User as Action;
use super::{Context, Missing, insist, password, session};
use crate::cause::Reason;
use crate::password_rules::Owner;
use crate::store::diesel::UserFilter;
use crate::store::{Connection, Store, UserCreation};
use crate::user::{Account, LoginName, NewUser, User, UserId, validate_username};
use crate::visible::{is_unseen, visible};

/// The longest e-mail address, in characters (RFC 5321, section 4.5.3.1.3).
const MAX_EMAIL: usize = 254;

/// Does what was typed after `user`.
pub(super) fn run(action: Action, context: &mut Context<'_>) -> Answered {
    match action {
        Action::Add { name, email, staff, inactive, password } => {
            judge_name(&name)?;
            judge_email(&email)?;
            let hash = password::new_hash(&password, &Owner { username: &name, email: &email }, context)?;
            let created = context.clock.now();
            let (is_active, is_staff) = (!inactive, staff);
            let new = NewUser { id: None, username: name, email, password: hash, is_active, is_staff, created };
            add(&new, context)
        }
        Action::List { search, limit, after } => {
            list(&UserFilter { text: search, after: after.map(UserId), limit }, context)
        }
        Action::Show(typed) => show(&typed.user, context),
        Action::Passwd { user, password } => {
            let store = context.open(Missing::Refuse)?;
            let mut connection = store.connect()?;
            let user = find(connection.as_mut(), &user.user)?;
            let owner = Owner { username: &user.username, email: &user.email };
            let hash = password::new_hash(&password, &owner, context)?;
            let done = connection.set_password(user.id, &hash, None, &context.cause(Reason::PasswordChanged))?;
            changed(done, &user, "has a new password, and no session any more")
        }
        Action::Activate(typed) => set_active(&typed.user, true, context),
        Action::Deactivate(typed) => set_active(&typed.user, false, context),
        Action::Delete { user, yes } => delete(&user.user, yes, context),
    }
}

/// The user who was typed: by name, or by `id:` and the number where no name is like that.
pub(super) fn find(connection: &mut dyn Connection, typed: &str) -> Result<User, Failure> {
    let mut account = connection.find_account(&LoginName::Username(typed.to_owned()))?;
    if let (None, Some(id)) = (&account, typed.strip_prefix("id:").and_then(|digits| digits.parse().ok())) {
        account = connection.find_account_by_id(UserId(id))?;
    }
    account.map(|Account { user, .. }| user).ok_or_else(|| not_found(typed))
}

fn not_found(typed: &str) -> Failure {
    Failure::new(Code::NotFound, format!("there is no user {typed:?}; names are compared exactly"))
}

fn judge_name(name: &str) -> Result<(), Failure> {
    validate_username(name).map_err(|bad| Failure::new(Code::Refused, bad.to_string()))
}

fn judge_email(email: &str) -> Result<(), Failure> {
    let fits = email.is_empty() || email.contains('@') && email.chars().count() <= MAX_EMAIL;
    if fits && !email.contains(|c: char| is_unseen(c) || c.is_whitespace()) {
        return Ok(());
    }
    Err(Failure::new(Code::Refused, "that is no e-mail address"))
}

fn add(new: &NewUser, context: &Context<'_>) -> Answered {
    let mut connection = context.open(Missing::Make)?.connect()?;
    let name = &new.username;
    match connection.create_user(new, &context.cause(Reason::UserCreated))? {
        UserCreation::Created(id) => {
            let json = json!({ "id": id.0, "username": name });
            Ok(Answer::new(format!("User {} is added, with number {id}.", visible(name)), json))
        }
        UserCreation::Taken => Err(Failure::new(Code::Refused, format!("the name {name:?} is taken"))),
        UserCreation::Lookalike(other) => Err(Failure::new(
            Code::Refused,
            format!("{name:?} could be taken for the user {other:?}: choose another name"),
        )),
    }
}

fn list(filter: &UserFilter, context: &Context<'_>) -> Answered {
    let users = context.open(Missing::Refuse)?.list_users(filter)?;
    let header = ["ID", "NAME", "E-MAIL", "ACTIVE", "STAFF", "LAST LOGIN"];
    let rows = users.iter().map(|entry| {
        let user = &entry.user;
        let last_login = entry.last_login.map_or_else(|| "never".to_owned(), |at| at.to_string());
        let (active, staff) = (yes_or_no(user.is_active), yes_or_no(user.is_staff));
        [user.id.to_string(), user.username.clone(), user.email.clone(), active, staff, last_login]
    });
    let json = users.iter().map(|entry| {
        let last_login = entry.last_login.map(|at| at.to_string());
        let json = with(user_json(&entry.user), "last_login", last_login.into());
        with(json, "created", entry.created.to_string().into())
    });
    Ok(Answer::table(header, rows.collect(), json.collect()))
}

fn yes_or_no(flag: bool) -> String {
    if flag { "yes".to_owned() } else { "no".to_owned() }
}

fn user_json(user: &User) -> Value {
    json!({ "id": user.id.0, "username": user.username, "email": user.email, "is_active": user.is_active,
            "is_staff": user.is_staff })
}

/// An object with one thing more.
fn with(mut object: Value, key: &str, value: Value) -> Value {
    if let Some(map) = object.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
    object
}

fn show(typed: &str, context: &Context<'_>) -> Answered {
    let store = context.open(Missing::Refuse)?;
    let user = find(store.connect()?.as_mut(), typed)?;
    let sessions = session::of_user(&store, user.id, context)?;
    let facts = vec![
        ["number".to_owned(), user.id.to_string()],
        ["name".to_owned(), user.username.clone()],
        ["e-mail".to_owned(), user.email.clone()],
        ["active".to_owned(), yes_or_no(user.is_active)],
        ["staff".to_owned(), yes_or_no(user.is_staff)],
        ["live sessions".to_owned(), sessions.count.to_string()],
    ];
    let mut text = table(["USER", ""], facts);
    if sessions.count > 0 {
        text = format!("{text}\n\n{}", sessions.text);
    }
    Ok(Answer::new(text, with(user_json(&user), "sessions", sessions.json)))
}

fn set_active(typed: &str, active: bool, context: &Context<'_>) -> Answered {
    let mut connection = context.open(Missing::Refuse)?.connect()?;
    let user = find(connection.as_mut(), typed)?;
    let (reason, words) = if active {
        (Reason::Activated, "may log in; old tokens stay dead")
    } else {
        (Reason::Deactivated, "is shut out: no login, and no token is good any more")
    };
    let done = connection.set_active(user.id, active, &context.cause(reason))?;
    changed(done, &user, words)
}

fn delete(typed: &str, yes: bool, context: &mut Context<'_>) -> Answered {
    let store = context.open(Missing::Refuse)?;
    let user = find(store.connect()?.as_mut(), typed)?;
    if !yes {
        let question = format!("Delete the user {} with all sessions, for good?", visible(&user.username));
        insist(context.terminal, &question, "to delete the user")?;
    }
    let done = store.delete_user(user.id, &context.cause(Reason::UserDeleted));
    let done = done.map_err(|error| {
        let failure = Failure::from(error);
        let left = "; if the user is inactive now, a part of its sessions is left: repeat the command to delete them";
        Failure::new(failure.code, format!("{}{left}", failure.message))
    })?;
    changed(done, &user, "is deleted")
}

/// Says what became of the user, unless somebody deleted it meanwhile.
fn changed(done: bool, user: &User, words: &str) -> Answered {
    if !done {
        return Err(not_found(&user.username));
    }
    let json = json!({ "id": user.id.0, "username": user.username });
    Ok(Answer::new(format!("User {} {words}.", visible(&user.username)), json))
}
