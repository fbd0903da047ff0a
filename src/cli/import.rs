//! `knoxide import`

use std::io::ErrorKind;
use std::path::Path;

use zeroize::Zeroizing;

use super::answer::{Answer, Answered, Code, Failure, to_json};
use super::progress::Progress;
use super::{Context, Missing, Terminal};
use crate::domain::escape::visible;
use crate::domain::import::ImportData;
use crate::domain::user::ADMIN;
use crate::service::admin::{Admin, AdminError};
use crate::store::{Clash, SharedAddress};

/// Imports users and tokens, all or none.
pub(super) fn run(file: &Path, context: &mut Context<'_>) -> Answered {
    let data = read(file, &mut *context.terminal)?;
    let admin = context.admin(Missing::Make)?;
    let what = format!("importing {} users and {} tokens", data.users.len(), data.tokens.len());
    let progress = Progress::of_unknown_length(context.terminal.is_watched(), what);
    let imported = admin.import(&data).map_err(|error| with_cure(error, &admin))?;
    drop(progress);
    let report = &imported.report;
    let mut text = format!("Imported: {} users, {} tokens.", report.users, report.tokens);
    if report.ended > 0 {
        text.push_str(&format!("\n{} tokens belong to users who are not active, and stay refused.", report.ended));
    }
    for (name, other) in &report.lookalikes {
        text.push_str(&format!("\nThe name {} looks like {}.", visible(name), visible(other)));
    }
    for user in &imported.unverifiable {
        text.push_str(&format!("\n{} cannot log in by password: {}.", visible(&user.username), user.reason));
    }
    for user in &imported.unreachable {
        let (name, why) = (visible(&user.username), &user.reason);
        text.push_str(&format!(
            "\nNo login as \"{name}\" can succeed: {why}. Run `knoxide user rename id:{} NAME`.",
            user.id
        ));
    }
    for user in &imported.unreachable_emails {
        let (email, why) = (visible(&user.email), &user.reason);
        text.push_str(&format!(
            "\nNo login as \"{email}\" can succeed: {why}. Run `knoxide user set-email id:{} ADDRESS`.",
            user.id
        ));
    }
    for shared in &report.shared_emails {
        text.push_str(&format!("\n{}.", words_of(shared)));
    }
    Ok(Answer::new(text, to_json(&imported)?))
}

/// The first start of a server creates a user `admin` with number 1, which most files to import contain too.
fn with_cure(error: AdminError, admin: &Admin) -> Failure {
    let clashing = if let AdminError::Clashes(clashes) = &error { clashes.as_slice() } else { &[] };
    let first = admin.find_user(ADMIN).ok().map(|user| user.id);
    let is_first = |clash: &Clash| match clash {
        Clash::Id(id) => Some(*id) == first,
        Clash::Username(name) => name == ADMIN && first.is_some(),
        Clash::Token { .. } | Clash::Orphan { .. } | Clash::IdTooGreat(_) | Clash::TooLong { .. } | Clash::Nul(_) => {
            false
        }
    };
    let is_cured = clashing.iter().any(is_first);
    let mut failure = Failure::from(error);
    if is_cured {
        failure.message.push_str(
            "\nThe user `admin` exists already. If the first start of the server created it, and nothing uses it, run \
             `knoxide user delete admin --force` (in a script, with --yes), then import again before the next start, \
             which would create it again.",
        );
    }
    failure
}

/// Says which users have an e-mail address, and what that means for them.
pub(super) fn words_of(shared: &SharedAddress) -> String {
    let SharedAddress { email, users, spellings, first, last } = shared;
    let what = match *spellings {
        1 => "the same e-mail address, by which they cannot log in".to_owned(),
        all if all == *users => "e-mail addresses that differ in letter case alone".to_owned(),
        some => format!(
            "e-mail addresses that differ in letter case alone, in {some} spellings; those who share one cannot log in by it"
        ),
    };
    format!("{users} users, such as id:{first} and id:{last}, have {what}: {}", visible(email))
}

/// `-` is standard input.
fn read(file: &Path, terminal: &mut dyn Terminal) -> Result<ImportData, Failure> {
    let is_input = file == Path::new("-");
    let shown = if is_input { "standard input".to_owned() } else { file.display().to_string() };
    let bytes = if is_input { terminal.read_bytes() } else { std::fs::read(file).map(Zeroizing::new) };
    let bytes = bytes.map_err(|error| {
        let code = if error.kind() == ErrorKind::NotFound { Code::NotFound } else { Code::Failed };
        Failure::new(code, format!("{shown} cannot be read: {error}"))
    })?;
    ImportData::from_bytes(&bytes).map_err(|error| {
        let message = format!("{shown}: {error}; docs/contract.md#the-import-file describes the format");
        Failure::new(Code::Failed, message)
    })
}
