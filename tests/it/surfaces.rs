//! One table: every state of a token, and every place that accepts or judges tokens (a surface). All surfaces have to
//! agree, and those that may differ are listed with the reason. Every new state or surface has to be entered here.

mod asking;
mod callers;
mod inside;
mod outage;
mod revoking;
mod states;

use std::fmt;
use std::time::Duration;

use knoxide::domain::dialect::CookieMode;
use knoxide::domain::policy::RefreshPolicy;
use knoxide_remote::Remote;

use self::asking::{Surface, Verdict};
use self::states::{LIFETIME, Presented, State, tokens};
use crate::harness::admin::AdminApi;
use crate::harness::app::{App, Database, Served, Setup, on_each_database};
use crate::oauth::stage::{IDLE_LIMIT, PASSWORD, Stage, TOUCH_INTERVAL};
use crate::remote::stage::remote;

/// An enum, together with a complete list of its variants.
macro_rules! each {
    ($(#[$meta:meta])* enum $name:ident { $($(#[$doc:meta])* $variant:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant),+];
        }
    };
}
use each;

/// A Knoxide server in all its forms, over one database.
struct Scene {
    /// With djoser switched off.
    stage: Stage,
    /// The same, with cookies.
    browsers: Served,
    /// The same, with all dialects.
    all: Served,
    api: AdminApi,
    /// The server, as another application uses it.
    remote: Remote,
    /// A token that is live throughout.
    bystander: String,
}

fn setup() -> Setup {
    let mut setup = Setup::default();
    setup.policy.idle_limit = Some(IDLE_LIMIT);
    setup.policy.touch_interval = TOUCH_INTERVAL;
    let dialects = &mut setup.policy.dialects;
    dialects.drf_jwt.access_ttl = Some(LIFETIME);
    dialects.drf_jwt.rotate = true;
    dialects.simplejwt.rotate = true;
    dialects.simplejwt.access_ttl = Some(LIFETIME);
    dialects.simplejwt.refresh = RefreshPolicy::Pair { ttl: 2 * LIFETIME, window: None };
    setup.http.options.dialects.djoser.enabled = false;
    // A busy machine must not cause a 503.
    setup.http.check_timeout = Duration::from_secs(30);
    setup
}

impl Scene {
    fn set(database: Database) -> Self {
        let app = App::on(database, setup());
        let mut with_cookies = setup().http;
        with_cookies.options.proxies = "127.0.0.1".parse().expect("proxies");
        with_cookies.options.forward_auth.cookie = Some("__Host-session".parse().expect("a name"));
        for dialect in knoxide::domain::dialect::Dialect::ALL {
            with_cookies.options.dialects.get_mut(dialect).cookie = CookieMode::Lax;
        }
        let browsers = app.beside(with_cookies);
        let all = app.beside(Setup::default().http);
        let (api, remote) = (AdminApi::start(&app), remote(&app));
        let service = Stage::register(&app, "service", "introspect,batch,revoke");
        let stage = Stage { app, service };
        Self { stage, browsers, all, api, remote, bystander: String::new() }
    }

    /// The same, with a token in each state for each purpose.
    fn with_tokens<const N: usize>(database: Database, purposes: [&str; N]) -> (Self, [Vec<Presented>; N]) {
        let mut scene = Self::set(database);
        let tokens = tokens(&scene, purposes);
        scene.stage.app.add_user("bystander", PASSWORD);
        scene.bystander = scene.stage.app.client().login("bystander", PASSWORD);
        (scene, tokens)
    }
}

/// What a token in some state is worth, which decides the cells of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// A live access token of an enabled dialect, under its keyword or in its cookie.
    Live,
    /// The same token where another dialect's is expected.
    Misplaced,
    /// A live access token of a dialect that the server does not serve.
    Off,
    /// A script token, for the API of administrators.
    Administration,
    /// For the pages of administrators.
    AdminPage,
    /// For the pages of a user's own account.
    AccountPage,
    Nothing,
}

/// How a surface receives a token, which decides where it differs from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// With a keyword or the cookie of a dialect, at the server.
    Named,
    /// The same in an application, which decides itself which dialects it accepts.
    NamedInApplication,
    /// Only the token's text.
    Bare,
    AdminApi,
    AdminPage,
    AccountPage,
}

impl Surface {
    const fn kind(self) -> Kind {
        match self {
            Self::User | Self::UserByCookie => Kind::Named,
            Self::Nginx | Self::Caddy | Self::Traefik | Self::Haproxy | Self::Envoy => Kind::Named,
            // They ask the server, which rejects tokens of a dialect that it does not serve.
            Self::Remote | Self::RemoteExtractor => Kind::Named,
            Self::NginxByCookie
            | Self::CaddyByCookie
            | Self::TraefikByCookie
            | Self::HaproxyByCookie
            | Self::EnvoyByCookie => Kind::Bare,
            Self::Introspect | Self::Check | Self::CheckAmongOthers => Kind::Bare,
            Self::Middleware | Self::MiddlewareByCookie | Self::Extractor => Kind::NamedInApplication,
            Self::AdminApi => Kind::AdminApi,
            Self::AdminPage => Kind::AdminPage,
            Self::AccountPage => Kind::AccountPage,
        }
    }
}

/// The cell of the table.
const fn expected(surface: Surface, state: State) -> Verdict {
    match (state.worth(), surface.kind()) {
        (Worth::Nothing, _) => Verdict::Refused,
        (Worth::Live, Kind::Named | Kind::NamedInApplication | Kind::Bare) => Verdict::Accepted,
        // No keyword says what kind of token this should be.
        (Worth::Misplaced, Kind::Bare) => Verdict::Accepted,
        (Worth::Misplaced, Kind::Named | Kind::NamedInApplication) => Verdict::Refused,
        (Worth::Off, Kind::NamedInApplication) => Verdict::Accepted,
        (Worth::Off, Kind::Named | Kind::Bare) => Verdict::Refused,
        // This surface is only for administrators, and no token of a dialect is an administrator's.
        (Worth::Live | Worth::Misplaced | Worth::Off, Kind::AdminApi) => Verdict::Forbidden,
        (Worth::Administration, Kind::AdminApi)
        | (Worth::AdminPage, Kind::AdminPage)
        | (Worth::AccountPage, Kind::AccountPage) => Verdict::Accepted,
        // Each is accepted only in its own place.
        (Worth::Administration | Worth::AdminPage | Worth::AccountPage, _)
        | (Worth::Live | Worth::Misplaced | Worth::Off, Kind::AdminPage | Kind::AccountPage) => Verdict::Refused,
    }
}

/// A cell with an unexpected verdict.
#[derive(PartialEq)]
struct Difference {
    verdict: Verdict,
    text: String,
}

impl fmt::Debug for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// All cells with an unexpected verdict, with the replies.
fn differences(scene: &Scene, tokens: &[Presented], expected: impl Fn(Surface, State) -> Verdict) -> Vec<Difference> {
    let mut wrong = Vec::new();
    for surface in Surface::ALL {
        let said = surface.ask(scene, tokens);
        assert_eq!(said.len(), tokens.len(), "{surface:?}");
        for (token, said) in tokens.iter().zip(said) {
            let (state, verdict, expected) = (token.state, said.verdict, expected(*surface, token.state));
            if verdict != expected {
                let text = format!("{state:?} at {surface:?}: {verdict:?}, not {expected:?}: {}", said.reply);
                wrong.push(Difference { verdict, text });
            }
        }
    }
    wrong
}

on_each_database! {
    fn every_surface_says_the_same_of_a_token_in_each_state(backend) {
        let (scene, [tokens]) = Scene::with_tokens(Database::migrated(backend), ["checked"]);
        assert_eq!(tokens.len(), State::ALL.len());
        // Twice: what the server learnt about a token the first time changes nothing.
        for round in ["at first", "again"] {
            assert_eq!(differences(&scene, &tokens, expected), vec![], "{round}");
        }
    }
}
