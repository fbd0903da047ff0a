//! Tokens in every state, each with its own user and session.

use std::time::Duration;

use knoxide::domain::dialect::Dialect;
use knoxide::domain::user::{User, UserId};
use knoxide::service::Pages;
use knoxide::service::admin::{Admin, AdminError};

use super::{Scene, Worth, each};
use crate::harness::app::Client;
use crate::harness::dialects::Speech;
use crate::oauth::stage::{IDLE_LIMIT, PASSWORD, Stage, TOUCH_INTERVAL, form_request};

/// The lifetime here of access tokens that expire; refresh tokens live twice as long.
pub(super) const LIFETIME: Duration = Duration::from_secs(60);
/// A repeated refresh gets the same successor within this time.
const GRACE: Duration = Duration::from_secs(30);

/// Each state: the dialect that the token is presented as, when it is made, and what it is worth.
macro_rules! states {
    ($($(#[$doc:meta])* $state:ident: $dialect:ident $phase:ident $worth:ident,)+) => {
        each! {
            /// What has happened to a token, or what is presented in its place.
            enum State {
                $($(#[$doc])* $state,)+
            }
        }

        impl State {
            /// The dialect that the token is presented as.
            pub(super) const fn dialect(self) -> Dialect {
                match self {
                    $(Self::$state => Dialect::$dialect,)+
                }
            }

            const fn phase(self) -> Phase {
                match self {
                    $(Self::$state => Phase::$phase,)+
                }
            }

            /// What it is worth.
            pub(super) const fn worth(self) -> Worth {
                match self {
                    $(Self::$state => Worth::$worth,)+
                }
            }
        }
    };
}

states! {
    LiveKnox: Knox Now Live,
    LiveDrfJwt: DrfJwt Now Live,
    LiveSimplejwt: Simplejwt Now Live,
    LiveAccessToken: AccessToken Now Live,
    LiveAfterRefresh: DrfJwt Now Live,
    LiveOfAdministrator: Knox Now Live,
    LiveOfUsersScript: Knox Now Live,
    /// A live token of simplejwt, presented as one of knox.
    UnderAnotherKeyword: Knox Now Misplaced,
    /// A live token of djoser, which is switched off at the listening server.
    OfDialectThatIsOff: Djoser Now Off,
    LiveRefresh: Simplejwt Now Nothing,
    ExpiredAccess: DrfJwt Expired Nothing,
    ExpiredRefresh: Simplejwt Expired Nothing,
    ConsumedAccess: DrfJwt Consumed Nothing,
    ConsumedAccessInGrace: DrfJwt Now Nothing,
    ConsumedRefresh: Simplejwt Consumed Nothing,
    ConsumedRefreshInGrace: Simplejwt Now Nothing,
    Idle: Knox Idle Nothing,
    LoggedOut: Knox Now Nothing,
    LoggedOutEverywhere: Knox Now Nothing,
    RevokedByHolder: Knox Now Nothing,
    RevokedByClient: Knox Now Nothing,
    EndedByAdministrator: Knox Now Nothing,
    OldEpoch: Knox Now Nothing,
    InactiveUser: Knox Now Nothing,
    DeletedUser: Knox Now Nothing,
    Script: Knox Now Administration,
    EndedScript: Knox Now Nothing,
    ScriptOfFormerAdministrator: Knox Now Nothing,
    AdminSession: Knox Now Administration,
    EndedAdminSession: Knox Now Nothing,
    AdminPage: Knox Now AdminPage,
    EndedAdminPage: Knox Now Nothing,
    AccountPage: Knox Now AccountPage,
    EndedAccountPage: Knox Now Nothing,
    ClientSecret: Knox Now Nothing,
    Unknown: Knox Now Nothing,
    UnknownJwt: DrfJwt Now Nothing,
    /// Two words.
    WithSpace: Knox Now Nothing,
    /// A letter that never occurs in tokens.
    NotAscii: Knox Now Nothing,
    TooLong: Knox Now Nothing,
}

/// When a state is made: they are made in the order that the clock allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Expired,
    Consumed,
    Now,
}

/// A token, and how it is presented.
pub(super) struct Presented {
    pub(super) state: State,
    pub(super) token: String,
}

impl Presented {
    /// The value of the header.
    pub(super) fn authorization(&self) -> String {
        format!("{} {}", Speech::of(self.state.dialect()).keyword, self.token)
    }

    /// The cookie of the dialect, as browsers send it.
    pub(super) fn cookie(&self) -> String {
        format!("__Host-{}={}", self.state.dialect().as_str(), self.token)
    }
}

impl Phase {
    const ALL: [Self; 4] = [Self::Idle, Self::Expired, Self::Consumed, Self::Now];

    /// How long before its tokens are in their state.
    fn length(self) -> Duration {
        let instant = Duration::from_micros(1);
        match self {
            Self::Idle => IDLE_LIMIT + TOUCH_INTERVAL + instant,
            Self::Expired => 2 * LIFETIME + instant,
            Self::Consumed => GRACE + instant,
            Self::Now => Duration::ZERO,
        }
    }
}

/// A token in each state for each of these purposes. They share no session and no user.
pub(super) fn tokens<const N: usize>(scene: &Scene, purposes: [&str; N]) -> [Vec<Presented>; N] {
    let mut made: Vec<(usize, Presented)> = Vec::new();
    for phase in Phase::ALL {
        for state in State::ALL.iter().copied().filter(|state| state.phase() == phase) {
            for (at, purpose) in purposes.into_iter().enumerate() {
                let name = format!("{state:?}-{purpose}").to_ascii_lowercase();
                let id = scene.stage.app.add_user(&name, PASSWORD);
                let token = Owner { scene, name, id }.token(state);
                made.push((at, Presented { state, token }));
            }
        }
        scene.stage.app.clock.advance(phase.length());
    }
    let mut all = [const { Vec::new() }; N];
    for (at, presented) in made {
        all[at].push(presented);
    }
    all
}

/// A user who gets one token.
struct Owner<'a> {
    scene: &'a Scene,
    name: String,
    id: UserId,
}

impl Owner<'_> {
    fn token(&self, state: State) -> String {
        match state {
            State::LiveKnox => self.access(Dialect::Knox),
            State::LiveDrfJwt | State::ExpiredAccess => self.access(Dialect::DrfJwt),
            State::LiveSimplejwt | State::UnderAnotherKeyword => self.access(Dialect::Simplejwt),
            State::LiveAccessToken => self.access(Dialect::AccessToken),
            State::LiveAfterRefresh => self.refreshed(Dialect::DrfJwt).1,
            State::LiveOfAdministrator => {
                self.promoted();
                self.access(Dialect::Knox)
            }
            State::LiveOfUsersScript => self.created(),
            State::OfDialectThatIsOff => {
                Speech::of(Dialect::Djoser).login(&mut self.scene.all.client(), &self.name, PASSWORD).access
            }
            State::LiveRefresh | State::ExpiredRefresh => self.refresh(),
            State::ConsumedAccess | State::ConsumedAccessInGrace => self.refreshed(Dialect::DrfJwt).0,
            State::ConsumedRefresh | State::ConsumedRefreshInGrace => self.refreshed(Dialect::Simplejwt).0,
            State::Idle => self.access(Dialect::Knox),
            State::LoggedOut => self.left(Client::logout),
            State::LoggedOutEverywhere => self.left(Client::logout_all),
            State::RevokedByHolder => {
                self.left(|client, token| client.ask(&form_request("/revoke/", &[("token", token)])).status)
            }
            State::RevokedByClient => self.left(|client, token| {
                let request = form_request("/revoke/", &[("token", token)]);
                client.ask(&request.header("Authorization", self.scene.stage.header())).status
            }),
            State::EndedByAdministrator => self.ended(self.access(Dialect::Knox)),
            State::OldEpoch => self.changed(Admin::end_all_sessions),
            State::InactiveUser => self.changed(|admin, user| admin.set_active(user, false)),
            State::DeletedUser => self.changed(Admin::delete_user),
            State::Script => self.promoted().script_token(self.id),
            State::EndedScript => self.ended(self.promoted().script_token(self.id)),
            State::ScriptOfFormerAdministrator => {
                let token = self.promoted().script_token(self.id);
                self.change(|admin, user| admin.set_admin(user, false));
                token
            }
            State::AdminSession => self.promoted().session_token(&self.name),
            State::EndedAdminSession => self.ended(self.promoted().session_token(&self.name)),
            State::AdminPage => self.promoted().page_token(Pages::Admin, &self.name),
            State::EndedAdminPage => self.ended(self.promoted().page_token(Pages::Admin, &self.name)),
            State::AccountPage => self.scene.stage.page_token(Pages::Account, &self.name),
            State::EndedAccountPage => self.ended(self.scene.stage.page_token(Pages::Account, &self.name)),
            State::ClientSecret => self.scene.stage.service.secret.expose().to_owned(),
            State::Unknown => "0123456789".repeat(4),
            State::UnknownJwt => "eyJhbGciOiJub25lIn0.eyJ1c2VyX2lkIjoxfQ.".to_owned(),
            State::WithSpace => "two words".to_owned(),
            State::NotAscii => "zo\u{eb}".to_owned(),
            State::TooLong => "a".repeat(4097),
        }
    }

    fn access(&self, dialect: Dialect) -> String {
        Speech::of(dialect).login(&mut self.scene.stage.app.client(), &self.name, PASSWORD).access
    }

    fn refresh(&self) -> String {
        let login = Speech::of(Dialect::Simplejwt).login(&mut self.scene.stage.app.client(), &self.name, PASSWORD);
        login.refresh.expect("a refresh token")
    }

    /// A token that a successor has replaced, and the access token issued with it.
    fn refreshed(&self, dialect: Dialect) -> (String, String) {
        let (speech, client) = (Speech::of(dialect), &mut self.scene.stage.app.client());
        let token = speech.refreshable(&speech.login(client, &self.name, PASSWORD));
        let successor = speech.refreshed(&speech.refresh(client, &token).expect("an endpoint"));
        (token, successor)
    }

    /// A knox token that was created for a script of the user.
    fn created(&self) -> String {
        let kind = Dialect::Knox.into();
        self.change(|admin, user| admin.create_token(user, "script".to_owned(), None, kind)).token.expose().to_owned()
    }

    fn change<T>(&self, work: impl FnOnce(&Admin, &User) -> Result<T, AdminError>) -> T {
        self.scene.stage.app.change(self.id, work)
    }

    /// Makes the user an administrator.
    fn promoted(&self) -> &Stage {
        self.scene.stage.promote(self.id);
        &self.scene.stage
    }

    /// A knox token after this request, which must succeed.
    fn left(&self, leave: impl FnOnce(&mut Client, &str) -> u16) -> String {
        let token = self.access(Dialect::Knox);
        assert_eq!(leave(&mut self.scene.stage.app.client(), &token), 200);
        token
    }

    /// A knox token after this change of its user.
    fn changed(&self, work: impl FnOnce(&Admin, &User) -> Result<(), AdminError>) -> String {
        let token = self.access(Dialect::Knox);
        self.change(work);
        token
    }

    /// The token, after an administrator has ended its session.
    fn ended(&self, token: String) -> String {
        let app = &self.scene.stage.app;
        let [session] = app.sessions_of(self.id)[..] else { panic!("one session") };
        app.admin().end_session(session).expect("an end");
        token
    }
}
