//! The servers that contain Knoxide, as children.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use knoxide::config::{HttpSettings, ListenAddress, LogSettings};
use knoxide::domain::password::Hasher;
use knoxide::domain::time::{Clock as _, SystemClock};
use knoxide::domain::user::{LoginName, Password, UserId};
use knoxide::server::Server;
use knoxide::service::{Auth, ExternalUser, UserProvider, UserProviderError};
use knoxide::store::SweepPolicy;
use knoxide::store::diesel::{DieselStore, StoreOptions};
use rustix::process::Signal;

use crate::Fallible;
use crate::child::{Tally, answer, end_with_parent, obey_beside};
use crate::population::user_of_name;

pub(crate) mod fixed;

/// The path of the check, and of every other route that is compared.
pub(crate) const PATH: &str = "/auth/user/";

/// The lowest cost that bcrypt allows.
const CHEAPEST: u32 = 4;

/// Any free port.
const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Serves Knoxide on a filled database, with default settings.
pub(crate) fn knoxide(url: &str, cost: u32) -> Fallible<()> {
    let _log = knoxide::telemetry::start(&LogSettings::default(), Arc::new(SystemClock))?;
    let store = Arc::new(DieselStore::open(url, StoreOptions::default())?);
    let swept = Arc::clone(&store);
    obey_beside(move || {
        let begun = Instant::now();
        let report = swept.sweep(SystemClock.now(), &SweepPolicy::default(), &|| true)?;
        let done = u64::try_from(report.dead_tokens)?;
        Ok(Tally { done, seconds: begun.elapsed().as_secs_f64(), median_us: None })
    });
    let auth = Auth::builder(store).hasher(Hasher::with_unsafe_cost(cost)?).build().map_err(std::io::Error::other)?;
    run(auth)
}

/// External users, with a provider that accepts every password.
struct Trusting;

impl UserProvider for Trusting {
    fn verify(&self, login: &LoginName, _: &Password) -> Result<Option<ExternalUser>, UserProviderError> {
        let LoginName::Username(name) = login else { return Ok(None) };
        let id = user_of_name(name).and_then(|number| i64::try_from(number).ok());
        Ok(id.map(|id| ExternalUser {
            id: UserId(id),
            username: name.clone(),
            email: format!("{name}@example.com"),
            is_staff: false,
        }))
    }
}

/// Serves Knoxide with logins that need no hashing.
pub(crate) fn elsewhere(url: &str) -> Fallible<()> {
    let _log = knoxide::telemetry::start(&LogSettings::default(), Arc::new(SystemClock))?;
    end_with_parent();
    let store = DieselStore::open(url, StoreOptions::default())?;
    // Logins as cheap as these may wait in a longer queue.
    let auth = Auth::builder(store).user_provider(Trusting).hasher(Hasher::with_unsafe_cost(CHEAPEST)?);
    run(auth.build().map_err(std::io::Error::other)?)
}

fn run(auth: Auth) -> Fallible<()> {
    let http = HttpSettings { listen: vec![ListenAddress::Tcp(ANY)], ..HttpSettings::default() };
    actix_web::rt::System::new().block_on(async move {
        let server = Server::bind(&http, auth)?;
        let address = server.tcp_address().ok_or("no address")?;
        answer(&address.to_string())?;
        Ok(server.run().await?)
    })
}

/// Becomes the program as it is shipped, with default settings except for paths and addresses. The parent learns the
/// address at once, before anything listens there.
pub(crate) fn shipped(url: &str, listen: SocketAddr) -> Fallible<()> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_knoxide"));
    program.arg("serve").env_clear().env("DATABASE_URL", url).env("KNOXIDE_LISTEN", listen.to_string());
    program.env("KNOXIDE_ADMIN_LISTEN", "off");
    // The program does not read its standard input, and would outlive this run if the run were killed.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    answer(&listen.to_string())?;
    Err(program.exec().into())
}
