//! Whether the database is reachable and has the right schema, and whether its contents are sound.

use std::time::Duration;

use super::super::database::how_to_make;
use super::{Finding, users};
use crate::config::{DatabaseSettings, JwtSettings, Settings, show_duration};
use crate::domain::jwt::{BadKey, KeyRing, RSA_BITS};
use crate::domain::time::Clock;
use crate::store::diesel::{CLOCK_TOLERANCE, DatabaseKind, DieselStore, FoundFile, TRIGGERS, is_of_pooler};
use crate::store::{AdminStore, KeyError, Store, StoreError, StoreResult};

/// If this many users share one address, it is not a coincidence.
const MANY_USERS: i64 = 20;

/// Examines the database.
pub(super) fn examine(settings: &Settings, clock: &dyn Clock, findings: &mut Vec<Finding>) {
    let store = DieselStore::open_as_found(settings.database.url.clone());
    if let Err(error) = look(&store, settings, clock, findings) {
        findings.push(Finding::wrong("database", error.to_string(), remedy(&settings.database, &error)));
    }
}

fn look(store: &DieselStore, settings: &Settings, clock: &dyn Clock, findings: &mut Vec<Finding>) -> StoreResult<()> {
    let pinged = store.connect()?.ping();
    // A failed ping is always reported, whatever was found about the tables.
    let migrated = store.migration_status()?.pending.is_empty();
    findings.push(Finding::fine("database", format!("{} answers", settings.database.url.redacted())));
    if settings.database.url.is_in_the_clear() {
        let build = if cfg!(feature = "postgres-tls") { "" } else { "build with the feature `postgres-tls` and " };
        let remedy = format!("{build}take sslmode=disable out of DATABASE_URL");
        findings.push(Finding::advice("transport", "passwords and digests cross the network in the clear", remedy));
    }
    facts(store, findings)?;
    // A missing table or trigger has been reported already.
    let is_told = !migrated || findings.iter().any(|finding| finding.subject == TRIGGERS && finding.is_wrong());
    let unfit = pinged.err().filter(|_| !is_told);
    let fits = migrated && unfit.is_none();
    findings.extend(unfit.map(|error| {
        let remedy = "use the program that these tables belong to, or restore a backup of its own";
        Finding::wrong("schema", error.to_string(), remedy)
    }));
    findings.extend(statement_log(store)?);
    findings.extend(language(store)?);
    findings.push(clocks(store, clock)?);
    if fits {
        findings.extend(users::examine(store)?);
        findings.push(users::addresses(store)?);
        findings.push(keys(store, &settings.jwt)?);
        findings.push(addresses(store, settings)?);
    }
    Ok(())
}

fn remedy(database: &DatabaseSettings, error: &StoreError) -> String {
    let place = database.url.redacted();
    let follow = format!("follow the message, and check DATABASE_URL ({place})");
    match error {
        // The server answered, through a pooler.
        StoreError::Unavailable(_) if is_of_pooler(error) => follow,
        StoreError::Unavailable(_) if database.url.kind() == DatabaseKind::Postgres => {
            format!("check DATABASE_URL ({place}), and whether the server runs and can be reached")
        }
        StoreError::Unavailable(_) => match DieselStore::look_for_file(&database.url) {
            Ok(FoundFile::Missing { obstacle }) => {
                format!("check DATABASE_URL ({place}); {}", how_to_make(database, obstacle))
            }
            Ok(FoundFile::Present) | Err(_) => follow,
        },
        StoreError::Failed(_) | StoreError::NotBegun(_) | StoreError::Busy(_) | StoreError::Full(_) => follow,
    }
}

/// What the database reports about itself.
fn facts(store: &DieselStore, findings: &mut Vec<Finding>) -> StoreResult<()> {
    for fact in store.diagnose()? {
        findings.push(match fact.complaint {
            Some(complaint) => Finding::wrong(fact.name, fact.value, complaint),
            None => Finding::fine(fact.name, fact.value),
        });
    }
    Ok(())
}

/// Whether Postgres writes secrets to its log.
fn statement_log(store: &DieselStore) -> StoreResult<Option<Finding>> {
    Ok(store.statement_log_exposure()?.map(|(settings, remedy)| {
        let fact = format!("shows password hashes and signing keys, because of {settings}");
        Finding::advice("statement log", fact, format!("as a superuser: {remedy}"))
    }))
}

/// Whether Postgres reports errors in a language in which they are recognised.
fn language(store: &DieselStore) -> StoreResult<Option<Finding>> {
    Ok(store.foreign_messages()?.map(|(language, remedy)| {
        let fact = format!("of Postgres are in {language}, so that some errors are not recognised");
        Finding::advice("messages", fact, format!("as a superuser: {remedy}"))
    }))
}

/// Whether this machine and the database agree on the time.
fn clocks(store: &DieselStore, clock: &dyn Clock) -> StoreResult<Finding> {
    let difference = store.clock_difference(clock.now())?;
    let apart = Duration::from_micros(difference.unsigned_abs());
    if apart <= CLOCK_TOLERANCE {
        return Ok(Finding::fine("clock", "agrees with the database's"));
    }
    let seconds = Duration::from_secs(apart.as_secs());
    let side = if difference > 0 { "behind" } else { "ahead of" };
    let fact = format!("is {} {side} the database's", show_duration(seconds));
    Ok(Finding::wrong("clock", fact, "synchronise both machines with the same time servers"))
}

/// Whether tokens can be signed, with the same keys as on other nodes.
fn keys(store: &DieselStore, settings: &JwtSettings) -> StoreResult<Finding> {
    if store.list_keys()?.is_empty() {
        return Ok(Finding::fine("keys", "there are none yet; the first start creates them"));
    }
    let loaded = store.load_keys(settings.secret.as_ref());
    let ring = loaded.and_then(|stored| Ok(KeyRing::new(&stored, settings.algorithm)?));
    Ok(match ring.map(|ring| ring.short_rsa_key()) {
        Ok(Some((id, bits))) => Finding::advice(
            "keys",
            format!("key {id} of RS256 has {bits} bits, as keys of older releases had; new ones have {RSA_BITS}"),
            "run `knoxide key rotate RS256`: tokens of the old key stay good",
        ),
        Ok(None) => Finding::fine("keys", "can be read, and the secret is that of the other nodes"),
        Err(KeyError::Store(error)) => return Err(error),
        Err(KeyError::Bad(BadKey::Missing(_))) => Finding::fine("keys", "one is missing; the next start creates it"),
        Err(error @ KeyError::Bad(BadKey::Unreadable { id, .. })) => {
            let remedy = format!("run `knoxide key rotate` for its algorithm, then `knoxide key retire {id}`");
            Finding::wrong("keys", error.to_string(), remedy)
        }
        Err(error @ (KeyError::Bad(BadKey::NotMade(_)) | KeyError::OtherSecret | KeyError::SecretNotGiven)) => {
            Finding::wrong("keys", error.to_string(), "give every node the same KNOXIDE_JWT_SECRET")
        }
    })
}

/// Whether users seem to come through a proxy that is not trusted, and so appear as one client.
fn addresses(store: &DieselStore, settings: &Settings) -> StoreResult<Finding> {
    let trusted = &settings.http.options.proxies;
    let one = store.only_login_network()?.filter(|(_, users)| *users >= MANY_USERS);
    Ok(match one {
        Some((network, users)) if !trusted.unix && trusted.networks.is_empty() => Finding::advice(
            "addresses",
            format!("{users} users logged in lately, all from one address ({network}), and no proxy is trusted"),
            "if there is a proxy in front of the server, name it in KNOXIDE_TRUSTED_PROXIES: until then, all its clients \
             share the limits of one address",
        ),
        Some(_) | None => Finding::fine("addresses", "clients have different addresses"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "postgres")]
    #[test]
    fn a_statement_that_a_pooler_lost_is_no_server_that_cannot_be_reached() {
        let url = "postgres://127.0.0.1/knoxide".parse().expect("a URL");
        let database = DatabaseSettings { url, ..DatabaseSettings::default() };
        let remedy = |text: &str| remedy(&database, &StoreError::Unavailable(text.to_owned()));
        let lost = remedy("prepared statement \"__diesel_stmt_7\" does not exist; set pool_mode = session");
        assert!(lost.contains("follow the message") && !lost.contains("whether the server runs"), "{lost}");
        assert!(remedy("Connection refused").contains("whether the server runs"));
    }
}
