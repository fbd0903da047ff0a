//! The effect of `POST /revoke/` on a token in each state, by its holder and by a client with the right.

use super::asking::Surface;
use super::states::State;
use super::{Scene, Verdict};
use crate::harness::app::{App, Database, on_each_database};
use crate::oauth::stage::form_request;

/// The event of the session that ends; `None` if no session does.
type Effect = Option<&'static str>;

/// The effect of a revocation by the holder, and by a client.
const fn effects(state: State) -> (Effect, Effect) {
    match state {
        // Including tokens that are accepted only elsewhere: the holder of a token can always end its session.
        State::LiveKnox
        | State::LiveDrfJwt
        | State::LiveSimplejwt
        | State::LiveAccessToken
        | State::LiveAfterRefresh
        | State::LiveOfAdministrator
        | State::LiveOfUsersScript
        | State::UnderAnotherKeyword
        | State::OfDialectThatIsOff
        | State::LiveRefresh
        | State::Script
        | State::AdminSession
        | State::AdminPage
        | State::AccountPage => (Some("logout"), Some("revoked")),
        // The session can still have a refresh token that is good.
        State::ExpiredAccess => (Some("logout"), Some("revoked")),
        // It no longer proves anything.
        State::ExpiredRefresh => (None, Some("revoked")),
        State::ConsumedAccessInGrace | State::ConsumedRefreshInGrace => (Some("logout"), Some("revoked")),
        State::ConsumedAccess | State::ConsumedRefresh => (Some("refresh_reused"), Some("revoked")),
        State::Idle => (Some("idle"), Some("revoked")),
        State::LoggedOut
        | State::LoggedOutEverywhere
        | State::RevokedByHolder
        | State::RevokedByClient
        | State::EndedByAdministrator
        | State::OldEpoch
        | State::InactiveUser
        | State::DeletedUser
        | State::EndedScript
        | State::ScriptOfFormerAdministrator
        | State::EndedAdminSession
        | State::EndedAdminPage
        | State::EndedAccountPage
        | State::ClientSecret
        | State::Unknown
        | State::UnknownJwt
        | State::WithSpace
        | State::NotAscii
        | State::TooLong => (None, None),
    }
}

/// The events of sessions that ended by themselves or by a request about one token.
fn ends(app: &App) -> Vec<String> {
    let wanted = ["logout", "revoked", "refresh_reused", "idle"];
    let events = crate::audit::all(&mut *app.connection()).into_iter().map(|event| event.event);
    events.filter(|event| wanted.contains(&event.as_str())).collect()
}

on_each_database! {
    fn a_revocation_does_in_each_state_what_it_should(backend) {
        let (scene, revoked) = Scene::with_tokens(Database::migrated(backend), ["holder", "client"]);
        let (app, mut wrong) = (&scene.stage.app, Vec::new());
        let client = &mut app.client();
        for (caller, tokens) in ["the holder", "a client"].into_iter().zip(&revoked) {
            for presented in tokens {
                let cell = format!("{:?} by {caller}", presented.state);
                let (by_holder, by_client) = effects(presented.state);
                let request = form_request("/revoke/", &[("token", &presented.token)]);
                let (request, effect) = match caller {
                    "a client" => (request.header("Authorization", scene.stage.header()), by_client),
                    _ => (request, by_holder),
                };
                let before = ends(app).len();
                // The second request finds nothing to do.
                for _ in 0..2 {
                    let reply = client.ask(&request);
                    if (reply.status, reply.text().as_str()) != (200, "") {
                        wrong.push(format!("{cell}: {} {}", reply.status, reply.text()));
                    }
                }
                let effects = ends(app).split_off(before);
                if effects != effect.into_iter().collect::<Vec<_>>() {
                    wrong.push(format!("{cell}: {effects:?}, not {effect:?}"));
                }
            }
            // Each was acknowledged, so every surface must say no.
            for surface in Surface::ALL {
                for (presented, said) in tokens.iter().zip(surface.ask(&scene, tokens)) {
                    if said.verdict != Verdict::Refused {
                        let state = presented.state;
                        wrong.push(format!("{state:?} at {surface:?}, revoked by {caller}: {}", said.reply));
                    }
                }
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(client.check(&scene.bystander), 200, "nobody else's session ended");
    }
}
