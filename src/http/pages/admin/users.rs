//! Users: search for them, create one, look at one, deactivate it, reset its password, end all its sessions.

use askama::Template;

use super::request::{Answer, PageRequest, redirect, show};
use super::rows::SessionRow;
use crate::domain::password::one_time::OneTimePassword;
use crate::domain::user::{PasswordHash, User, UserId};
use crate::http::admin::error::ApiError;
use crate::http::admin::{sessions, users};
use crate::http::pages::form::{Form, split_refusals};
use crate::http::pages::layout::Layout;
use crate::http::pages::relative_time::RelativeTime;
use crate::service::admin::desk::Length;
use crate::service::admin::{
    Admin, AdminError, NewAccount, NewPassword, SessionMatch, SessionQuery, SharedEmail, UserEntry,
};

const USERS: &str = "/admin/users/";

/// The number of sessions on the page of a user.
const SESSIONS: u32 = 50;

struct UserRow {
    id: i64,
    username: String,
    email: String,
    is_active: bool,
    is_staff: bool,
    is_admin: bool,
    last_login: Option<RelativeTime>,
    created: RelativeTime,
}

impl UserRow {
    fn of(request: &PageRequest, entry: UserEntry) -> Self {
        let UserEntry { user, last_login, created } = entry;
        Self {
            id: user.id.0,
            username: user.username,
            email: user.email,
            is_active: user.is_active,
            is_staff: user.is_staff,
            is_admin: user.is_admin,
            last_login: last_login.map(|at| request.when(at)),
            created: request.when(created),
        }
    }
}

#[derive(Template)]
#[template(path = "admin/users.html")]
struct Users {
    layout: Layout,
    form: Form,
    rows: Vec<UserRow>,
    next: Option<String>,
}

pub(super) async fn list(mut request: PageRequest) -> Answer {
    let layout = request.layout_after_action("Users", USERS);
    let form = Form::of(&request.call.fields);
    let filter = users::read_filter(&mut request.call.fields);
    let found = match request.call.finish() {
        Ok(()) => users::find(&request.call, filter).await,
        Err(refusal) => Err(refusal),
    };
    let (form, page) = form.accept(found)?;
    let next = form.next(USERS, page.next.as_ref());
    let rows = page.results.into_iter().map(|entry| UserRow::of(&request, entry)).collect();
    show(&Users { layout, form, rows, next })
}

#[derive(Template)]
#[template(path = "admin/user_new.html")]
struct NewUser {
    layout: Layout,
    form: Form,
}

pub(super) async fn new(mut request: PageRequest) -> Answer {
    request.call.finish()?;
    show(&NewUser { layout: request.layout("New user", USERS), form: Form::default() })
}

/// A new one-time password, which is shown once.
#[derive(Template)]
#[template(path = "admin/one_time.html")]
struct OneTime {
    layout: Layout,
    user: i64,
    username: String,
    value: String,
    expires: RelativeTime,
}

impl OneTime {
    fn of(request: &PageRequest, title: &str, user: &User, made: &OneTimePassword) -> Self {
        Self {
            layout: request.layout(title, USERS),
            user: user.id.0,
            username: user.username.clone(),
            value: made.value.expose().to_owned(),
            expires: request.when(made.expires),
        }
    }
}

/// Creates a user with a one-time password. The user exchanges it for a password that nobody else ever knows.
pub(super) async fn create(mut request: PageRequest) -> Answer {
    let form = Form::of(&request.call.fields);
    let fields = &mut request.call.fields;
    let account = NewAccount {
        username: fields.required_text("username"),
        email: fields.text("email").unwrap_or_default(),
        shared_email: SharedEmail::Refuse,
        password: NewPassword::Hash(PasswordHash::unusable()),
        is_active: true,
        is_staff: fields.flag("is_staff").unwrap_or(false),
        is_admin: fields.flag("is_admin").unwrap_or(false),
    };
    let made = match request.call.finish() {
        Ok(()) => make(&request, account).await,
        Err(refusal) => Err(refusal),
    };
    match split_refusals(made)? {
        Ok((user, made)) => show(&OneTime::of(&request, "User created", &user, &made)),
        Err(refusal) => show(&NewUser { layout: request.layout("New user", USERS), form: form.refused(&refusal) }),
    }
}

async fn make(request: &PageRequest, account: NewAccount) -> Result<(User, OneTimePassword), ApiError> {
    if account.is_admin {
        request.call.require_recent_password().await?;
    }
    let made = |admin: &Admin| -> Result<_, AdminError> {
        let user = admin.user_by_id(admin.add_user(account)?)?;
        let made = admin.reset_password(&user)?;
        Ok((user, made))
    };
    request.call.run(Length::Short, made).await
}

#[derive(Template)]
#[template(path = "admin/user.html")]
struct OneUser {
    layout: Layout,
    user: UserRow,
    /// The path of this page, to which the forms of its rows return.
    back: String,
    sessions: Vec<SessionRow>,
    has_more: bool,
}

pub(super) async fn one(mut request: PageRequest) -> Answer {
    let mut layout = request.layout_after_action("", USERS);
    request.call.finish()?;
    let user = request.call.user().await?;
    let id = user.id;
    let entry = request.call.run(Length::Short, move |admin| admin.user_entry(id)).await?;
    let query = SessionQuery { matching: SessionMatch::of_user(id), limit: SESSIONS, ..SessionQuery::default() };
    let page = sessions::find(&request.call, query).await?.page;
    layout.title.clone_from(&entry.user.username);
    show(&OneUser {
        layout,
        user: UserRow::of(&request, entry),
        back: path_of(id),
        sessions: SessionRow::all(&request, page.results),
        has_more: page.next.is_some(),
    })
}

fn path_of(user: UserId) -> String {
    format!("{USERS}{user}/")
}

pub(super) async fn set_active(mut request: PageRequest) -> Answer {
    let is_active = request.call.fields.flag("active");
    let is_active = request.call.fields.require("active", is_active).unwrap_or(false);
    request.call.finish()?;
    let user = request.call.user_to_change().await?;
    let path = path_of(user.id);
    request.call.run(Length::Short, move |admin| admin.set_active(&user, is_active)).await?;
    redirect(&format!("{path}?done={}", if is_active { "activated" } else { "deactivated" }))
}

/// Replaces the password by a one-time password, and ends all sessions.
pub(super) async fn reset_password(mut request: PageRequest) -> Answer {
    request.call.finish()?;
    let user = request.call.user_to_change().await?;
    let whose = user.clone();
    let made = request.call.run(Length::Short, move |admin| admin.reset_password(&user)).await?;
    show(&OneTime::of(&request, "Password reset", &whose, &made))
}

pub(super) async fn end_sessions(mut request: PageRequest) -> Answer {
    request.call.finish()?;
    let user = request.call.user_to_change().await?;
    let path = path_of(user.id);
    request.call.run(Length::Short, move |admin| admin.end_all_sessions(&user)).await?;
    redirect(&format!("{path}?done=sessions-ended"))
}
