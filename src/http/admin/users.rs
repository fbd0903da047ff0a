//! Users: search, create, change and delete them, set or reset a password, end all sessions.

use super::call::Call;
use super::description::{Description, Field, Kind, Success, of, page_of};
use super::error::ApiError;
use super::fields::Fields;
use super::page::{Page, page_fields};
use super::reply::{self, Answer};
use crate::domain::password::one_time::OneTimePassword;
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

pub(super) const LIST: Description = Description::new("Users, by number", Success::ok(page_of::<UserEntry>)).fields(&[
    &page_fields(Kind::User),
    &[
        Field::text("q", "A part of the name or of the e-mail address."),
        Field::text("beginning", "How the name begins."),
        Field::text("email", "The e-mail address."),
        Field::flag("active", "Whether they are active."),
        Field::flag("staff", "Whether they are staff."),
        Field::flag("admin", "Whether they are administrators."),
    ],
]);
pub(super) const CREATE: Description = Description::new("Make a user", Success::created(of::<UserEntry>))
    .fields(&[
        &[Field::text("username", "The name.").required()],
        PASSWORD,
        EMAIL,
        &[
            Field::flag("is_active", "Whether the user may log in; `true` by default."),
            Field::flag("is_staff", "Django's staff flag."),
            Field::flag("is_admin", "Whether the user may administer others; this needs a recent password."),
        ],
    ])
    .refuses(&[RECENT, (409, "The name or the address is taken.")])
    .leads_to(ONE);
pub(super) const GET: Description = Description::new("One user", Success::ok(of::<UserEntry>));
pub(super) const CHANGE: Description = Description::new("Change a user", Success::ok(of::<UserEntry>))
    .about("Takes exactly one of `email` (with `shared_email`), `is_staff`, `is_admin` and `is_active`.")
    .fields(&[
        EMAIL,
        &[
            Field::flag("is_staff", "Django's staff flag."),
            Field::flag("is_admin", "Whether the user may administer others."),
            Field::flag("is_active", "Whether the user may log in."),
        ],
    ])
    .refuses(&[RECENT, (409, "The address is taken, or it is the last administrator.")]);
pub(super) const DELETE: Description = Description::new("Delete a user with all sessions", Success::NOTHING)
    .refuses(&[RECENT, (409, "It is the last administrator.")]);
pub(super) const SET_PASSWORD: Description =
    Description::new("Set a user's password, and end all sessions", Success::NOTHING)
        .fields(&[PASSWORD])
        .refuses(&[RECENT, (409, "It is the last administrator.")]);
pub(super) const RESET_PASSWORD: Description = Description::new(
    "Replace a password by a one-time password, and end all sessions",
    Success::ok(of::<OneTimePassword>),
)
.refuses(&[RECENT, (409, "The user is not active.")]);
pub(super) const END_SESSIONS: Description =
    Description::new("End all sessions of a user", Success::NOTHING).refuses(&[RECENT]);

/// The operations on a new user.
const ONE: &[(&str, &str)] = &[
    ("GET", "/admin/api/users/{id}/"),
    ("PATCH", "/admin/api/users/{id}/"),
    ("DELETE", "/admin/api/users/{id}/"),
    ("POST", "/admin/api/users/{id}/password/"),
    ("POST", "/admin/api/users/{id}/reset-password/"),
    ("POST", "/admin/api/users/{id}/end-sessions/"),
];
const PASSWORD: &[Field] =
    &[Field::new("password", Kind::NewPassword, "The password, which has to meet the rules.").required()];
const EMAIL: &[Field] = &[
    Field::text("email", "The e-mail address."),
    Field::flag("shared_email", "Whether another user may have this address."),
];
const RECENT: (u16, &str) = (403, "The account of an administrator needs the password to be entered again first.");

pub(super) async fn list(mut call: Call) -> Answer {
    let wanted = read_filter(&mut call.fields);
    call.finish()?;
    reply::ok(&find(&call, wanted).await?)
}

/// Reads the conditions of a search.
pub(in crate::http) fn read_filter(fields: &mut Fields) -> UserFilter {
    UserFilter {
        text: fields.text("q"),
        beginning: fields.text("beginning"),
        email: fields.text("email"),
        ids: Vec::new(),
        is_active: fields.flag("active"),
        is_staff: fields.flag("staff"),
        is_admin: fields.flag("admin"),
        after: fields.parsed("cursor", "a cursor", |text| text.parse().ok()).map(UserId),
        limit: fields.limit(),
    }
}

/// Searches for users.
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
    reply::created(&made)
}

pub(super) async fn get(mut call: Call) -> Answer {
    call.finish()?;
    let user = call.user().await?;
    reply::ok(&call.run(Length::Short, move |admin| admin.user_entry(user.id)).await?)
}

pub(super) async fn change(mut call: Call) -> Answer {
    let change = read_change(&mut call.fields);
    call.finish()?;
    let change = change.ok_or_else(|| {
        ApiError::invalid("change exactly one of email (with shared_email), is_staff, is_admin and is_active")
    })?;
    let user = call.user_to_change().await?;
    if matches!(change, Change::Admin(_)) {
        call.require_recent_password().await?;
    }
    let changed = call.run(Length::Short, move |admin| {
        apply(admin, &user, change)?;
        admin.user_entry(user.id)
    });
    reply::ok(&changed.await?)
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
    reply::no_content()
}

pub(super) async fn set_password(mut call: Call) -> Answer {
    let password = call.fields.required_password("password");
    call.finish()?;
    let user = call.user_to_change().await?;
    call.run(Length::Computing, move |admin| admin.set_password(&user, NewPassword::Text(password))).await?;
    reply::no_content()
}

pub(super) async fn end_sessions(mut call: Call) -> Answer {
    call.finish()?;
    let user = call.user_to_change().await?;
    call.run(Length::Short, move |admin| admin.end_all_sessions(&user)).await?;
    reply::no_content()
}

/// Replaces the password by a one-time password, and ends all sessions.
pub(super) async fn reset_password(mut call: Call) -> Answer {
    call.finish()?;
    let user = call.user_to_change().await?;
    reply::ok(&call.run(Length::Short, move |admin| admin.reset_password(&user)).await?)
}
