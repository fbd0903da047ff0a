//! Users: search, create, look at one, deactivate, reset the password, end all sessions.

use askama::Template;

use super::request::{Answer, Asked, go, show};
use super::rows::SessionRow;
use crate::domain::password::one_time::OneTimePassword;
use crate::domain::user::{PasswordHash, User, UserId};
use crate::http::admin::error::ApiError;
use crate::http::admin::{sessions, users};
use crate::http::pages::filled::{Form, Outcome, mend};
use crate::http::pages::frame::Frame;
use crate::http::pages::when::When;
use crate::service::admin::desk::Length;
use crate::service::admin::{
    Admin, AdminError, NewAccount, NewPassword, SessionMatch, SessionQuery, SharedEmail, UserEntry,
};

const USERS: &str = "/admin/users/";

/// How many sessions stand on the page of their user.
const SESSIONS: u32 = 50;

struct UserRow {
    id: i64,
    username: String,
    email: String,
    is_active: bool,
    is_staff: bool,
    is_admin: bool,
    last_login: Option<When>,
    created: When,
}

impl UserRow {
    fn of(asked: &Asked, entry: UserEntry) -> Self {
        let UserEntry { user, last_login, created } = entry;
        Self {
            id: user.id.0,
            username: user.username,
            email: user.email,
            is_active: user.is_active,
            is_staff: user.is_staff,
            is_admin: user.is_admin,
            last_login: last_login.map(|at| asked.when(at)),
            created: asked.when(created),
        }
    }
}

#[derive(Template)]
#[template(path = "admin/users.html")]
struct Users {
    frame: Frame,
    form: Form,
    rows: Vec<UserRow>,
    next: Option<String>,
}

pub(super) async fn list(mut asked: Asked) -> Answer {
    let frame = asked.frame_after_act("Users", USERS);
    let form = Form::of(&asked.call.fields);
    let filter = users::read_filter(&mut asked.call.fields);
    let found = match asked.call.finish() {
        Ok(()) => users::find(&asked.call, filter).await,
        Err(refusal) => Err(refusal),
    };
    match mend(found)? {
        Outcome::Done(page) => {
            let next = form.next(USERS, page.next.as_ref());
            let rows = page.results.into_iter().map(|entry| UserRow::of(&asked, entry)).collect();
            show(&Users { frame, form, rows, next })
        }
        Outcome::Wrong(refusal) => show(&Users { frame, form: form.refused(&refusal), rows: Vec::new(), next: None }),
    }
}

#[derive(Template)]
#[template(path = "admin/user_new.html")]
struct NewUser {
    frame: Frame,
    form: Form,
}

pub(super) async fn new(mut asked: Asked) -> Answer {
    asked.call.finish()?;
    show(&NewUser { frame: asked.frame("New user", USERS), form: Form::default() })
}

/// A one-time password, which is shown once.
#[derive(Template)]
#[template(path = "admin/one_time.html")]
struct OneTime {
    frame: Frame,
    user: i64,
    username: String,
    value: String,
    expires: When,
}

impl OneTime {
    fn of(asked: &Asked, title: &str, user: &User, made: &OneTimePassword) -> Self {
        Self {
            frame: asked.frame(title, USERS),
            user: user.id.0,
            username: user.username.clone(),
            value: made.value.expose().to_owned(),
            expires: asked.when(made.expires),
        }
    }
}

/// Makes a user, who chooses a password by a one-time password: so nobody else ever knows it.
pub(super) async fn create(mut asked: Asked) -> Answer {
    let form = Form::of(&asked.call.fields);
    let fields = &mut asked.call.fields;
    let account = NewAccount {
        username: fields.required_text("username"),
        email: fields.text("email").unwrap_or_default(),
        shared_email: SharedEmail::Refuse,
        password: NewPassword::Hash(PasswordHash::unusable()),
        is_active: true,
        is_staff: fields.flag("is_staff").unwrap_or(false),
        is_admin: fields.flag("is_admin").unwrap_or(false),
    };
    let made = match asked.call.finish() {
        Ok(()) => make(&asked, account).await,
        Err(refusal) => Err(refusal),
    };
    match mend(made)? {
        Outcome::Done((user, made)) => show(&OneTime::of(&asked, "User created", &user, &made)),
        Outcome::Wrong(refusal) => {
            show(&NewUser { frame: asked.frame("New user", USERS), form: form.refused(&refusal) })
        }
    }
}

async fn make(asked: &Asked, account: NewAccount) -> Result<(User, OneTimePassword), ApiError> {
    if account.is_admin {
        asked.call.require_recent_password().await?;
    }
    let made = |admin: &Admin| -> Result<_, AdminError> {
        let user = admin.user_by_id(admin.add_user(account)?)?;
        let made = admin.reset_password(&user)?;
        Ok((user, made))
    };
    asked.call.run(Length::Short, made).await
}

#[derive(Template)]
#[template(path = "admin/user.html")]
struct OneUser {
    frame: Frame,
    user: UserRow,
    /// Where the forms of its sessions lead back to.
    back: String,
    sessions: Vec<SessionRow>,
    has_more: bool,
}

pub(super) async fn one(mut asked: Asked) -> Answer {
    let mut frame = asked.frame_after_act("", USERS);
    asked.call.finish()?;
    let user = asked.call.user().await?;
    let id = user.id;
    let entry = asked.call.run(Length::Short, move |admin| admin.user_entry(id)).await?;
    let query = SessionQuery { matching: SessionMatch::of_user(id), limit: SESSIONS, ..SessionQuery::default() };
    let page = sessions::find(&asked.call, query).await?.page;
    frame.title.clone_from(&entry.user.username);
    show(&OneUser {
        frame,
        user: UserRow::of(&asked, entry),
        back: path_of(id),
        sessions: SessionRow::all(&asked, page.results),
        has_more: page.next.is_some(),
    })
}

fn path_of(user: UserId) -> String {
    format!("{USERS}{user}/")
}

pub(super) async fn set_active(mut asked: Asked) -> Answer {
    let is_active = asked.call.fields.flag("active");
    let is_active = asked.call.fields.require("active", is_active).unwrap_or(false);
    asked.call.finish()?;
    let user = asked.call.user_to_change().await?;
    let path = path_of(user.id);
    asked.call.run(Length::Short, move |admin| admin.set_active(&user, is_active)).await?;
    go(&format!("{path}?done={}", if is_active { "activated" } else { "deactivated" }))
}

/// The old password and all sessions end with it.
pub(super) async fn reset_password(mut asked: Asked) -> Answer {
    asked.call.finish()?;
    let user = asked.call.user_to_change().await?;
    let whose = user.clone();
    let made = asked.call.run(Length::Short, move |admin| admin.reset_password(&user)).await?;
    show(&OneTime::of(&asked, "Password reset", &whose, &made))
}

pub(super) async fn end_sessions(mut asked: Asked) -> Answer {
    asked.call.finish()?;
    let user = asked.call.user_to_change().await?;
    let path = path_of(user.id);
    asked.call.run(Length::Short, move |admin| admin.end_all_sessions(&user)).await?;
    go(&format!("{path}?done=sessions-ended"))
}
