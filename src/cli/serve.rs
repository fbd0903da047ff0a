//! `knoxide serve`

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::Context;
use super::answer::{Answer, Answered, Code, Failure};
use super::permissions::open_to_everybody;
use crate::config::ListenAddress;
use crate::domain::user::Password;
use crate::server::{ADMIN, Announcement, FirstUser, PasswordDelivery, StartError, serve};
use crate::service::admin::AdminError;
use crate::telemetry;

/// Serves until told to stop. What happens goes to the log; a random first password goes to
/// the person who watches, and to nobody else.
pub(super) fn run(context: Context<'_>) -> Answered {
    let Context { settings, env_file, terminal, err, clock, random } = context;
    let _log = telemetry::start(&settings.log, Arc::clone(&clock))
        .map_err(|error| Failure::new(Code::Failed, error.to_string()))?;
    for exposure in open_to_everybody(&settings, env_file.as_ref()) {
        let (file, mode) = (exposure.path.display().to_string(), format!("{:04o}", exposure.mode));
        log::warn!(file, mode; "a file or folder {}: {}", exposure.problem, exposure.cure);
    }
    let handover = if terminal.is_watched() {
        PasswordDelivery::Shown
    } else {
        PasswordDelivery::File(PasswordDelivery::folder(&settings.database.url))
    };
    let mut told = Ok(());
    let mut shown = None;
    let served = serve(settings, clock, random, &handover, &mut |announcement| {
        match &announcement {
            Announcement::FirstUser(FirstUser::Shown(password))
            | Announcement::PerhapsFirstUser(FirstUser::Shown(password)) => {
                shown = Some(Password::new(password.expose().to_owned()));
            }
            // Only now is there somebody to log in to.
            Announcement::Listening(addresses) => {
                if let Some(password) = shown.take() {
                    told = write!(err, "{}", welcome(&password, addresses));
                }
            }
            Announcement::Migrated(_)
            | Announcement::FirstUser(_)
            | Announcement::PerhapsFirstUser(_)
            | Announcement::Stopping => {}
        }
        note(&announcement);
    });
    if let Some(password) = shown {
        // The start failed after the user was made, or may have been: the next one will not show it.
        told = write!(err, "{}", welcome(&password, &[]));
    }
    served?;
    told.map_err(|error| Failure::new(Code::Failed, format!("the first password could not be shown: {error}")))?;
    Ok(Answer::silent())
}

/// The first password, and the first login with it, ready to be pasted if there is an address.
fn welcome(password: &Password, addresses: &[ListenAddress]) -> String {
    let password = password.expose();
    let shown = format!("\nThe first user is {ADMIN}, with the password {password}\nIt is not shown again.");
    let place = match addresses.first() {
        Some(ListenAddress::Tcp(address)) => {
            let mut address = *address;
            // Nobody can connect to "any address".
            if address.ip().is_unspecified() {
                address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
            }
            format!("http://{address}")
        }
        Some(ListenAddress::Unix(path)) => format!("--unix-socket {} http://localhost", path.display()),
        None => return shown + "\n\n",
    };
    format!(
        "{shown} Log in:\n\n  curl -H 'Content-Type: application/json' \
         -d '{{\"username\":\"{ADMIN}\",\"password\":\"{password}\"}}' {place}/auth/login/\n\n"
    )
}

/// Logs what happens at the start and at the end.
fn note(announcement: &Announcement<'_>) {
    match announcement {
        Announcement::Migrated(names) => log::info!(migrations = names.join(", "); "the tables are up to date"),
        Announcement::FirstUser(FirstUser::Given) => {
            log::info!(user = ADMIN; "the first user is made, with the password of the settings");
        }
        Announcement::FirstUser(FirstUser::Shown(_)) => {
            log::info!(user = ADMIN; "the first user is made, with a random password");
        }
        Announcement::FirstUser(FirstUser::Written(path)) => {
            log::warn!(user = ADMIN, file = path.display().to_string();
                "the first user is made; log in with the password in the file, and delete it");
        }
        Announcement::PerhapsFirstUser(FirstUser::Written(path)) => {
            log::warn!(user = ADMIN, file = path.display().to_string();
                "the database broke off while the first user was made; if the next start does not make it anew, \
                 its password is in the file");
        }
        Announcement::PerhapsFirstUser(FirstUser::Given | FirstUser::Shown(_)) => {
            log::warn!(user = ADMIN;
                "the database broke off while the first user was made; the next start makes it anew, unless it is there");
        }
        Announcement::Listening(addresses) => {
            for address in *addresses {
                log::info!(address = address.to_string(); "listening");
            }
        }
        Announcement::Stopping => log::info!("stopping: open requests are finished"),
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(error) => error.into(),
            StartError::Keys(error) => AdminError::from(error).into(),
            StartError::Cost(_) => Self::new(Code::Usage, error.to_string()),
            StartError::Random(_)
            | StartError::Bind(_)
            | StartError::Files(_)
            | StartError::System(_)
            | StartError::PasswordFile { .. } => Self::new(Code::Failed, error.to_string()),
        }
    }
}
