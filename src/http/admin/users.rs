//! Users: search, create, change, delete, set or reset a password, end all sessions.

use serde_json::json;

use super::call::{Answer, Call, Reply};
use super::error::ApiError;
use super::fields::Fields;
use super::page::Page;
use crate::domain::user::{User, UserId};
use crate::service::admin::desk::Length;
use crate::service::admin::{Admin, AdminError, NewAccount, NewPassword, SharedEmail, UserEntry, UserFilter};

/// One change of a user.
enum Change {
    Email(String, SharedEmail),
    Staff(bool),
    Admin(bool),
    Active(bool),
}

pub(super) async fn list(mut call: Call) -> Answer {
    let wanted = read_filter(&mut call.fields);
    call.finish()?;
    Reply::ok(&find(&call, wanted).await?)
}

/// The conditions of a search.
pub(in crate::http) fn read_filter(fields: &mut Fields) -> UserFilter {
    UserFilter {
        text: fields.text("q"),
        beginning: fields.text("beginning"),
        email: fields.text("email"),
        id: None,
        is_active: fields.flag("active"),
        is_staff: fields.flag("staff"),
        is_admin: fields.flag("admin"),
        after: fields.parsed("cursor", "a cursor", |text| text.parse().ok()).map(UserId),
        limit: fields.limit(),
    }
}

/// The page of users who meet them.
///
/// # Errors
/// 400 for a text that cannot be searched for.
pub(in crate::http) async fn find(call: &Call, filter: UserFilter) -> Result<Page<UserEntry>, ApiError> {
    let limit = filter.limit;
    let filter = UserFilter { limit: Page::<()>::rows(limit), ..filter };
    let users = call.run(Length::Short, move |admin| admin.list_users(&filter)).await?;
    Ok(Page::of(users, limit, |entry| entry.user.id.to_string()))
}

pub(super) async fn create(mut call: Call) -> Answer {
    let fields = &mut call.fields;
    let new = NewAccount {
        username: fields.required_text("username"),
        email: fields.text("email").unwrap_or_default(),
        shared_email: shared_email(fields),
        password: NewPassword::Text(fields.required_password("password")),
        is_active: fields.flag("is_active").unwrap_or(true),
        is_staff: fields.flag("is_staff").unwrap_or(false),
        is_admin: fields.flag("is_admin").unwrap_or(false),
    };
    call.finish()?;
    if new.is_admin {
        call.require_recent_password().await?;
    }
    let made = call.run(Length::Computing, move |admin| admin.user_entry(admin.add_user(new)?)).await?;
    Reply::created(&made)
}

pub(super) async fn get(call: Call) -> Answer {
    let mut call = call;
    call.finish()?;
    let user = call.user().await?;
    Reply::ok(&call.run(Length::Short, move |admin| admin.user_entry(user.id)).await?)
}

pub(super) async fn change(mut call: Call) -> Answer {
    let change = read_change(&mut call.fields);
    call.finish()?;
    let change = change.ok_or_else(|| {
        ApiError::invalid("change exactly one of email (with shared_email), is_staff, is_admin and is_active: each is an act of its own")
    })?;
    let user = call.user_to_change().await?;
    if matches!(change, Change::Admin(_)) {
        call.require_recent_password().await?;
    }
    let changed = call.run(Length::Short, move |admin| {
        apply(admin, &user, change)?;
        admin.user_entry(user.id)
    });
    Reply::ok(&changed.await?)
}

/// The change, if it is exactly one.
fn read_change(fields: &mut Fields) -> Option<Change> {
    let shared = shared_email(fields);
    let email = fields.text("email").map(|email| Change::Email(email, shared));
    let staff = fields.flag("is_staff").map(Change::Staff);
    let admin = fields.flag("is_admin").map(Change::Admin);
    let active = fields.flag("is_active").map(Change::Active);
    let mut changes = [email, staff, admin, active].into_iter().flatten();
    changes.next().filter(|_| changes.next().is_none())
}

fn apply(admin: &Admin, user: &User, change: Change) -> Result<(), AdminError> {
    match change {
        Change::Email(email, shared) => admin.set_email(user, &email, shared),
        Change::Staff(is_staff) => admin.set_staff(user, is_staff),
        Change::Admin(is_admin) => admin.set_admin(user, is_admin),
        Change::Active(is_active) => admin.set_active(user, is_active),
    }
}

fn shared_email(fields: &mut Fields) -> SharedEmail {
    if fields.flag("shared_email").unwrap_or(false) { SharedEmail::Allow } else { SharedEmail::Refuse }
}

pub(super) async fn delete(mut call: Call) -> Answer {
    call.finish()?;
    let user = call.user_to_change().await?;
    call.run(Length::Long, move |admin| admin.delete_user(&user)).await?;
    Reply::done()
}

pub(super) async fn set_password(mut call: Call) -> Answer {
    let password = call.fields.required_password("password");
    call.finish()?;
    let user = call.user_to_change().await?;
    call.run(Length::Computing, move |admin| admin.set_password(&user, NewPassword::Text(password))).await?;
    Reply::done()
}

pub(super) async fn end_sessions(mut call: Call) -> Answer {
    call.finish()?;
    let user = call.user_to_change().await?;
    call.run(Length::Short, move |admin| admin.end_all_sessions(&user)).await?;
    Reply::done()
}

/// The old password and all sessions end with it.
pub(super) async fn reset_password(mut call: Call) -> Answer {
    call.finish()?;
    let user = call.user_to_change().await?;
    let made = call.run(Length::Short, move |admin| admin.reset_password(&user)).await?;
    Reply::ok(&json!({ "one_time_password": made.value.expose(), "expires": made.expires }))
}
