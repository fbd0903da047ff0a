//! `knoxide serve`

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::Context;
use super::answer::{Answer, Answered, Code, Failure};
use super::permissions::open_to_all_users;
use crate::config::ListenAddress;
use crate::domain::user::Password;
use crate::server::{ADMIN, Announcement, FirstUser, PasswordDelivery, StartError, serve};
use crate::service::admin::AdminError;
use crate::telemetry;

/// Serves until a signal to stop arrives. Events are logged; a random first password is shown on the terminal if there
/// is one, and otherwise written to a file.
pub(super) fn run(context: Context<'_>) -> Answered {
    let Context { settings, env_file, terminal, err, clock, random, .. } = context;
    let _log = telemetry::start(&settings.log, Arc::clone(&clock))
        .map_err(|error| Failure::new(Code::Failed, error.to_string()))?;
    for exposure in open_to_all_users(&settings, env_file.as_ref()) {
        let (file, mode) = (exposure.path.display().to_string(), format!("{:04o}", exposure.mode));
        log::warn!(file, mode; "a file or folder {}: {}", exposure.problem, exposure.remedy);
    }
    let delivery = if terminal.is_watched() {
        PasswordDelivery::Shown
    } else {
        PasswordDelivery::File(PasswordDelivery::folder(&settings.database.url))
    };
    let place = settings.database.url.redacted();
    let mut printed = Ok(());
    let mut shown = None;
    let served = serve(settings, clock, random, &delivery, &mut |announcement| {
        match &announcement {
            Announcement::FirstUser(FirstUser::Shown(password))
            | Announcement::PerhapsFirstUser(FirstUser::Shown(password)) => {
                shown = Some(Password::new(password.expose().to_owned()));
            }
            // From now on the first user can log in.
            Announcement::Listening(addresses) => {
                if let Some(password) = shown.take() {
                    printed = write!(err, "{}", welcome(&password, addresses));
                }
            }
            Announcement::Migrated(_)
            | Announcement::FirstUser(_)
            | Announcement::PerhapsFirstUser(_)
            | Announcement::Administration(_)
            | Announcement::Stopping => {}
        }
        note(&announcement, &place);
    });
    if let Some(password) = shown {
        // The start failed after the user was created, or may have been: the next start will not show the password.
        printed = write!(err, "{}", welcome(&password, &[]));
    }
    served?;
    printed.map_err(|error| Failure::new(Code::Failed, format!("the first password could not be shown: {error}")))?;
    Ok(Answer::silent())
}

/// The first password, and a command for the first login if there is an address.
fn welcome(password: &Password, addresses: &[ListenAddress]) -> String {
    let password = password.expose();
    let shown = format!("\nThe first user is {ADMIN}, with the password {password}\nIt is not shown again.");
    let place = match addresses.first() {
        Some(ListenAddress::Tcp(address)) => {
            let mut address = *address;
            // Clients cannot connect to "any address".
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

/// Logs the start and the end.
fn note(announcement: &Announcement<'_>, database: &str) {
    match announcement {
        Announcement::Migrated(names) => {
            log::info!(database, migrations = names.join(", "); "the tables are up to date");
        }
        Announcement::FirstUser(FirstUser::Given) => {
            log::info!(user = ADMIN; "the first user was created, with the password of the settings");
        }
        Announcement::FirstUser(FirstUser::Shown(_)) => {
            log::info!(user = ADMIN; "the first user was created, with a random password");
        }
        Announcement::FirstUser(FirstUser::Written(path)) => {
            log::warn!(user = ADMIN, file = path.display().to_string();
                "the first user was created; log in with the password in the file, and delete it");
        }
        Announcement::PerhapsFirstUser(FirstUser::Written(path)) => {
            log::warn!(user = ADMIN, file = path.display().to_string();
                "the connection to the database broke while the first user was created; if the next start does not create it again, \
                 its password is in the file");
        }
        Announcement::PerhapsFirstUser(FirstUser::Given | FirstUser::Shown(_)) => {
            log::warn!(user = ADMIN;
                "the connection to the database broke while the first user was created; the next start creates it if it does not exist");
        }
        Announcement::Listening(addresses) => {
            for address in *addresses {
                log::info!(address = address.to_string(); "listening");
            }
        }
        Announcement::Administration(addresses) => {
            for address in *addresses {
                log::info!(address = address.to_string(); "listening for administrators");
            }
        }
        Announcement::Stopping => log::info!("stopping: finishing open requests"),
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
