//! `knoxide user …`

use serde::Serialize;
use serde_json::json;

use super::answer::{Answer, Answered, Failure, table, to_json};
use super::args::{User as Action, YesOrNo};
use super::{Context, Missing, insist, password, session};
use crate::domain::audit::Event;
use crate::domain::escape::visible;
use crate::domain::password::one_time::OneTimePassword;
use crate::domain::user::{User, UserId, normal_form};
use crate::service::admin::{Admin, AdminError, NewAccount, check_new_account};
use crate::store::{LastAdmin, SharedEmail, UserFilter};

/// Runs the arguments after `user`.
pub(super) fn run(action: Action, context: &mut Context<'_>) -> Answered {
    match action {
        Action::Add { name, email, shared_email, staff, admin, inactive, password } => {
            // If there is no database yet, a refusal must not create one.
            if check_new_account(&name, &email).is_err()
                && let Ok(admin) = context.admin(Missing::Refuse)
            {
                admin.check_new_account(&name, &email)?;
            }
            check_new_account(&name, &email)?;
            let name = normal_form(&name);
            let password = password::read(&password, context)?;
            let (username, is_active, is_staff, is_admin) = (name.clone(), !inactive, staff, admin);
            let shared_email = shared(shared_email);
            let account = NewAccount { username, email, shared_email, password, is_active, is_staff, is_admin };
            let id = context.admin(Missing::Make)?.add_user(account)?;
            let text = format!("User {} was added, with number {id}.", visible(&name));
            Ok(Answer::new(text, json!({ "id": id, "username": name })))
        }
        Action::List { search, begins, email, active, staff, admin, limit, after } => {
            let [is_active, is_staff, is_admin] =
                [active, staff, admin].map(|wanted| wanted.map(|wanted| wanted == YesOrNo::Yes));
            let (text, beginning, ids, after) = (search, begins, Vec::new(), after.map(UserId));
            list(&UserFilter { text, beginning, email, ids, is_active, is_staff, is_admin, after, limit }, context)
        }
        Action::Show(typed) => show(&typed.user, context),
        Action::Passwd { user, password } => {
            let (admin, user) = find_for(Event::PasswordChanged, &user.user, context)?;
            admin.set_password(&user, password::read(&password, context)?)?;
            changed(&user, "has a new password, and all sessions have ended")
        }
        Action::ResetPassword(typed) => reset_password(&typed.user.user, context),
        Action::Rename { user, name } => {
            let (admin, user) = find_for(Event::UserRenamed, &user.user, context)?;
            let name = normal_form(&name);
            admin.rename_user(&user, &name)?;
            changed(&user, &format!("is called {} now; no session ended", visible(&name)))
        }
        Action::SetEmail { user, email, shared_email } => {
            let (admin, user) = find_for(Event::EmailChanged, &user.user, context)?;
            admin.set_email(&user, &email, shared(shared_email))?;
            let words = if email.is_empty() { "no e-mail address" } else { "another e-mail address" };
            changed(&user, &format!("has {words} now; no session ended"))
        }
        Action::SetStaff { user, staff } => {
            let act = if staff == YesOrNo::Yes { Event::StaffGranted } else { Event::StaffWithdrawn };
            let (admin, user) = find_for(act, &user.user, context)?;
            admin.set_staff(&user, staff == YesOrNo::Yes)?;
            let words = match staff {
                YesOrNo::Yes => "is staff",
                YesOrNo::No => "is not staff",
            };
            changed(&user, &format!("{words} now; no session ended"))
        }
        Action::SetAdmin { user, admin: wanted, force } => {
            let act = if wanted == YesOrNo::Yes { Event::AdminGranted } else { Event::AdminWithdrawn };
            let (admin, user) = find_forced(act, &user.user, force, context)?;
            admin.set_admin(&user, wanted == YesOrNo::Yes).map_err(or_force)?;
            let words = match wanted {
                YesOrNo::Yes => "may administer others",
                YesOrNo::No => "may not administer others",
            };
            changed(&user, &format!("{words}; no session ended"))
        }
        Action::Activate(typed) => {
            let (admin, user) = find_for(Event::Activated, &typed.user, context)?;
            admin.set_active(&user, true)?;
            changed(&user, "may log in; old tokens stay revoked")
        }
        Action::Deactivate { user, force } => {
            let (admin, user) = find_forced(Event::Deactivated, &user.user, force, context)?;
            admin.set_active(&user, false).map_err(or_force)?;
            changed(&user, "is locked out: all logins and all tokens are refused")
        }
        Action::Delete { user, yes, force } => {
            let (admin, user) = find_forced(Event::UserDeleted, &user.user, force, context)?;
            if !yes {
                let question = format!("Delete the user {} with all sessions, for good?", visible(&user.username));
                insist(context.terminal, &question, "to delete the user")?;
            }
            admin.delete_user(&user).map_err(or_force)?;
            changed(&user, "is deleted")
        }
    }
}

fn reset_password(typed: &str, context: &Context<'_>) -> Answered {
    let (admin, user) = find_for(Event::PasswordReset, typed, context)?;
    let made = admin.reset_password(&user)?;
    let (value, until, name) = (made.value.expose(), made.expires, &user.username);
    let text = format!(
        "{value}\n\nThis is {}'s one-time password; it cannot be shown again. Until {until}, it can be exchanged once for \
         a new password: POST /auth/password/change/ with username, current_password and new_password.\nThe old \
         password and all sessions have ended.",
        visible(name),
    );
    Ok(Answer::new(text, to_json(&Reset { id: user.id, username: name, made: &made })?))
}

/// A one-time password and its user.
#[derive(Serialize)]
struct Reset<'a> {
    id: UserId,
    username: &'a str,
    #[serde(flatten)]
    made: &'a OneTimePassword,
}

const fn shared(allowed: bool) -> SharedEmail {
    if allowed { SharedEmail::Allow } else { SharedEmail::Refuse }
}

/// The user with the name or number on the command line.
fn find(typed: &str, context: &Context<'_>) -> Result<(Admin, User), Failure> {
    let admin = context.admin(Missing::Refuse)?;
    let user = admin.find_user(typed)?;
    Ok((admin, user))
}

/// As [`find`], for an act that is recorded as refused if there is no such user.
pub(super) fn find_for(act: Event, typed: &str, context: &Context<'_>) -> Result<(Admin, User), Failure> {
    let admin = context.admin(Missing::Refuse)?;
    let user = admin.find_for(act, typed)?;
    Ok((admin, user))
}

/// As [`find_for`], for an act that may leave no administrator with `--force`.
fn find_forced(act: Event, typed: &str, force: bool, context: &Context<'_>) -> Result<(Admin, User), Failure> {
    let (admin, user) = find_for(act, typed, context)?;
    let last_admin = if force { LastAdmin::MayGo } else { LastAdmin::Keep };
    Ok((Admin { last_admin, ..admin }, user))
}

/// The refusal of such an act, which also suggests `--force`.
fn or_force(error: AdminError) -> Failure {
    let is_last = matches!(error, AdminError::LastAdmin(_));
    let mut failure = Failure::from(error);
    if is_last {
        failure.message.push_str(", or say --force");
    }
    failure
}

fn list(filter: &UserFilter, context: &Context<'_>) -> Answered {
    let users = context.admin(Missing::Refuse)?.list_users(filter)?;
    let header = ["ID", "NAME", "E-MAIL", "ACTIVE", "STAFF", "ADMIN", "LAST LOGIN"];
    Answer::table(header, &users, |entry| {
        let user = &entry.user;
        let last_login = entry.last_login.map_or_else(|| "never".to_owned(), |at| at.to_string());
        let [active, staff, admin] = [user.is_active, user.is_staff, user.is_admin].map(yes_or_no);
        [user.id.to_string(), user.username.clone(), user.email.clone(), active, staff, admin, last_login]
    })
}

fn yes_or_no(flag: bool) -> String {
    if flag { "yes".to_owned() } else { "no".to_owned() }
}

fn show(typed: &str, context: &Context<'_>) -> Answered {
    let (admin, user) = find(typed, context)?;
    let sessions = admin.search_sessions(session::of_user(user.id))?;
    let facts = [
        ["number".to_owned(), user.id.to_string()],
        ["name".to_owned(), user.username.clone()],
        ["e-mail".to_owned(), user.email.clone()],
        ["active".to_owned(), yes_or_no(user.is_active)],
        ["staff".to_owned(), yes_or_no(user.is_staff)],
        ["administrator".to_owned(), yes_or_no(user.is_admin)],
        ["live sessions".to_owned(), sessions.len().to_string()],
    ];
    let mut json = to_json(&user)?;
    if let Some(object) = json.as_object_mut() {
        object.insert("sessions".to_owned(), to_json(&sessions)?);
    }
    let mut text = table(["USER", ""], facts.into_iter());
    if !sessions.is_empty() {
        text = format!("{text}\n\n{}", table(session::HEADER, sessions.iter().map(session::row)));
    }
    Ok(Answer::new(text, json))
}

/// The answer after a change of the user.
fn changed(user: &User, words: &str) -> Answered {
    let json = json!({ "id": user.id, "username": user.username });
    Ok(Answer::new(format!("User {} {words}.", visible(&user.username)), json))
}
