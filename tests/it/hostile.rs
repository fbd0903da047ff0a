//! Strings that pretend to be JSON Web Tokens are accepted nowhere and cause no errors.

use knoxide::domain::dialect::Dialect;
use knoxide::domain::jwt::Algorithm;
use knoxide::domain::time::Clock as _;

use crate::harness::app::{App, Backend, Client, Database, Setup, jwt, on_each_database};
use crate::harness::dialects::{ALL, Speech, members};
use crate::harness::hostile::{Loot, hostile_jwts};
use crate::harness::wire::Request;

on_each_database! {
    fn forged_tokens_are_refused_everywhere(backend) {
        besiege(backend, Algorithm::Hs256);
    }
}

#[test]
fn forged_tokens_are_refused_where_keys_are_published() {
    besiege(Backend::Sqlite, Algorithm::Rs256);
    besiege(Backend::Sqlite, Algorithm::EdDsa);
}

/// Sends every forged token to every endpoint, with everything that can be stolen.
fn besiege(backend: Backend, algorithm: Algorithm) {
    let secret = "the secret of this server, and long enough".to_owned();
    let setup = Setup { jwt: jwt(algorithm, Some(&secret)), ..Setup::default() };
    let app = App::on(Database::migrated(backend), setup);
    app.add_user("alice", "correct horse");
    let client = &mut app.client();
    let public_key = client.ask(&Request::new("GET", "/.well-known/jwks.json")).text();
    let mut tried = 0;
    for speech in ALL.into_iter().filter(|speech| speech.dialect != Dialect::Knox) {
        let live = speech.login(client, "alice", "correct horse").access;
        let now = app.clock.now().as_seconds();
        let loot = Loot { secret: &secret, live: &live, public_key: &public_key, now };
        for forged in hostile_jwts(loot) {
            for (place, status) in ask_everywhere(client, &speech, &forged.token) {
                let refused = matches!(status, 400 | 401 | 413);
                assert!(refused, "{} at {place}, {:?}: {status}", forged.name, speech.dialect);
            }
            tried += 1;
        }
        assert_eq!(speech.check(client, &live), 200, "the live token is untouched");
    }
    assert!(tried >= 60 * 4, "{tried} forged tokens");
}

fn ask_everywhere(client: &mut Client, speech: &Speech, token: &str) -> Vec<(&'static str, u16)> {
    let mut answers = Vec::new();
    answers.extend(speech.verify(client, token).map(|reply| ("verify", reply.status)));
    answers.extend(speech.refresh(client, token).map(|reply| ("refresh", reply.status)));
    answers.extend(speech.blacklist(client, token).map(|reply| ("blacklist", reply.status)));
    // Tokens with bytes that no header can contain are not sent as one.
    if token.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f)) {
        answers.push(("check", speech.check(client, token)));
    }
    answers
}

#[test]
fn a_published_key_set_has_public_halves_only() {
    for (algorithm, kty) in [(Algorithm::EdDsa, Some("OKP")), (Algorithm::Rs256, Some("RSA")), (Algorithm::Hs256, None)]
    {
        let app = App::on(Database::migrated(Backend::Sqlite), Setup { jwt: jwt(algorithm, None), ..Setup::default() });
        let reply = app.client().ask(&Request::new("GET", "/.well-known/jwks.json"));
        let keys = members(&reply)["keys"].as_array().expect("keys").clone();
        assert_eq!(keys.first().and_then(|key| key["kty"].as_str()), kty);
        for private in ["\"d\"", "\"k\"", "\"p\"", "\"q\"", "\"dp\"", "\"oth\""] {
            assert!(!reply.text().contains(private), "{}", reply.text());
        }
    }
}
