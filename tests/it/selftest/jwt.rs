//! Tokens that the tests create themselves, and the notation for them.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, PAD, URL_SAFE_NO_PAD};

use super::canned;
use crate::harness::app::{App, Backend};
use crate::harness::fixture;
use crate::harness::hostile::{Loot, hostile_jwts};
use crate::harness::jwt::{self, HEADER};
use crate::harness::transcript::Transcript;
use crate::harness::transcript::director::{Directive, Director};
use crate::harness::transcript::notation::{Pattern, Template, Variables};
use crate::harness::transcript::player::{Caching, Player};

const SECRET: &str = "a secret";
/// 2026-01-02T03:04:05.678901Z.
const NOW: &str = "1767323045678901";
const CLAIMS: &str = r#"{"user_id":1,"exp":1767323345,"orig_iat":1767323045,"jti":"00ff00ff"}"#;

fn variables() -> Variables {
    let own = [("jwt-secret", SECRET), ("jwt-wrong-secret", "another"), ("now", NOW)];
    let mut variables: Variables = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    variables.insert("mine".to_owned(), jwt::sign(SECRET.as_bytes(), HEADER, r#"{"a":1}"#));
    variables
}

fn token() -> String {
    jwt::sign(SECRET.as_bytes(), HEADER, CLAIMS)
}

fn fits(pattern: &str, token: &str) -> Result<bool, String> {
    Pattern::parse(pattern)?.fits(token.as_bytes(), &mut variables())
}

fn filled(template: &str) -> String {
    let bytes = Template::parse(template).and_then(|template| template.fill(&variables())).expect(template);
    String::from_utf8(bytes).expect("text")
}

/// RFC 7515, appendix A.1.
#[test]
fn signatures_are_those_of_the_rfc() {
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let secret = URL_SAFE_NO_PAD.decode(secret).expect("base64");
    let claims = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
    let token = jwt::sign(&secret, "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}", claims);
    assert_eq!(jwt::part(&token, 1), Some("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"));
    assert_eq!(jwt::part(&token, 3), Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
    let (header, payload) = jwt::open(&secret, &token).expect("a good token");
    assert_eq!((header["typ"].as_str(), payload["exp"].as_i64()), (Some("JWT"), Some(1_300_819_380)));
    jwt::open(b"another", &token).expect_err("another secret");
    jwt::open(&secret, &token.replace('.', "")).expect_err("no parts");
}

#[test]
fn a_twiddled_token_is_another_text_for_the_same_bytes() {
    let config = PAD
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent);
    let careless = GeneralPurpose::new(&URL_SAFE, config);
    let token = token();
    let twiddled = jwt::twiddled(&token).expect("another letter");
    assert_ne!(twiddled, token);
    let signature = |token: &str| careless.decode(jwt::part(token, 3).expect("a signature")).expect("base64");
    assert_eq!(signature(&twiddled), signature(&token));
    jwt::open(SECRET.as_bytes(), &twiddled).expect_err("not the same text");
}

#[test]
fn a_token_of_the_right_kind_fits() {
    for pattern in [
        "<jwt>",
        "<jwt as it>",
        "<new jwt>",
        "<jwt with {}>",
        r#"<jwt with {"user_id":1,"exp":<now+300>}>"#,
        r#"<new jwt as it of {"jti":"<8 hex>","user_id":1,"orig_iat":<now>,"exp":<now+300>}>"#,
    ] {
        assert_eq!(fits(pattern, &token()), Ok(true), "{pattern}");
    }
    let reply = format!(r#"{{"token":"{}"}}"#, token());
    assert_eq!(fits(r#"{"token":"<jwt>"}"#, &reply), Ok(true));
    assert_eq!(fits(r#"{"token":"<jwt>","x":1}"#, &reply), Ok(false));
}

#[test]
fn a_token_of_the_wrong_kind_does_not_fit_and_it_is_said_why() {
    let own = |header: &str| jwt::sign(SECRET.as_bytes(), header, CLAIMS);
    for (pattern, token, why) in [
        ("<jwt>", "x".to_owned(), "no dot"),
        ("<jwt>", format!("{}x", token()), "does not fit"),
        ("<jwt>", jwt::twiddled(&token()).expect("another letter"), "does not fit"),
        ("<jwt>", jwt::sign(b"another", HEADER, CLAIMS), "does not fit"),
        ("<jwt>", own(r#"{"alg":"HS256"}"#), "its header"),
        ("<jwt>", own(r#"{"alg":"HS256","typ":"JWT","kid":"1"}"#), "its header"),
        ("<jwt>", jwt::sign(SECRET.as_bytes(), HEADER, "[]"), "its payload"),
        (r#"<jwt of {"user_id":1}>"#, token(), "it has a exp"),
        (r#"<jwt with {"user_id":2}>"#, token(), "its user_id is 1"),
        (r#"<jwt with {"user_id":"1"}>"#, token(), "its user_id is 1"),
        (r#"<jwt with {"email":""}>"#, token(), "it has no email"),
        (r#"<jwt with {"exp":<now+301>}>"#, token(), "its exp"),
        (r#"<jwt with {"jti":"<32 hex>"}>"#, token(), "its jti"),
        ("<new jwt>", variables()["mine"].clone(), "it is {mine} again"),
    ] {
        let error = fits(pattern, &token).expect_err(pattern);
        assert!(error.contains(why), "{pattern}: {error}");
    }
}

#[test]
fn a_token_is_kept_with_its_claims() {
    let mut variables = variables();
    let pattern = Pattern::parse("<jwt as it>!").expect("a pattern");
    assert_eq!(pattern.fits(format!("{}?", token()).as_bytes(), &mut variables), Ok(false));
    assert!(!variables.contains_key("it"));
    assert_eq!(pattern.fits(format!("{}!", token()).as_bytes(), &mut variables), Ok(true));
    let kept = ["it", "it-user-id", "it-orig-iat", "it-jti"].map(|name| variables[name].clone());
    assert_eq!(kept, [token().as_str(), "1", "1767323045", "00ff00ff"]);
    let renewed = Pattern::parse(r#"<jwt with {"orig_iat":{it-orig-iat},"jti":"{it-jti}"}>"#).expect("a pattern");
    assert_eq!(renewed.fits(token().as_bytes(), &mut variables), Ok(true));
    let end = Pattern::parse("<time of it-exp>").expect("a pattern");
    assert_eq!(end.fits(b"2026-01-02T03:09:05.000Z", &mut variables), Ok(true));
}

#[test]
fn tokens_can_be_made_and_spoilt() {
    let mine = variables()["mine"].clone();
    assert_eq!(filled("<now> <now+60> <now-60>"), "1767323045 1767323105 1767322985");
    assert_eq!(filled("<time of now+60>"), "2026-01-02T03:05:05.678Z");
    assert_eq!(filled("<b64 {\"exp\":<now+1>}>"), jwt::encode("{\"exp\":1767323046}"));
    assert_eq!(filled("<part 1 mine>.<part 2 mine>.<part 3 mine>"), mine);
    assert_eq!(Some(filled("<twiddled mine>")), jwt::twiddled(&mine));
    let signed = filled("<sign jwt-wrong-secret {\"alg\":\"HS256\"} {\"a\": \"b c\",\"exp\":<now-1>}>");
    assert_eq!(signed, jwt::sign(b"another", r#"{"alg":"HS256"}"#, r#"{"a": "b c","exp":1767323044}"#));
    assert_eq!(filled("{\"token\":\"<sign jwt-secret {} {\"x\":\"<b>\"}>\"}").matches('.').count(), 2);
    for wrong in ["<sign jwt-secret {}>", "<part x mine>", "<jwt>", "<new jwt as x>"] {
        Template::parse(wrong).expect_err(wrong);
    }
    for wrong in ["<part 4 mine>", "<sign nobody {} {}>", "<time of nothing>", "<time of mine>"] {
        Template::parse(wrong).and_then(|template| template.fill(&variables())).expect_err(wrong);
    }
    for wrong in ["<jwt of>", "<jwt of {>", "<jwt as x y>", "<jwt with [1]>"] {
        Pattern::parse(wrong).expect_err(wrong);
    }
    assert_eq!(filled("<news> <jwts> <nowhere> <x>").len(), "<news> <jwts> <nowhere> <x>".len());
}

#[test]
fn directives_are_done_before_their_case() {
    let app = App::start(Backend::Sqlite);
    app.add_user("alice", "correct horse");
    let began = app.now();
    let log_in = "POST /auth/login/\nContent-Type: application/json\n\n{\"username\":\"alice\",\"password\":\"correct horse\"}\n";
    let who = "GET /auth/user/\nAuthorization: Token {mine}\n";
    let text = format!(
        "@challenge Token\n\
         ### in\n{log_in}\n=> 200\n\n*<40 hex as mine>*\n\
         ### ended\n@end alice\n{who}\n=> 401\n\n{{\"detail\":\"Invalid token.\"}}\n\
         ### in again\n@advance 6d\n@advance 90s\n{log_in}\n=> 200\n\n*<40 hex as mine>*\n\
         ### out\n@deactivate alice\n{who}\n=> 401\n\n{{\"detail\":\"User inactive or deleted.\"}}\n\
         ### dead\n@activate alice\n{who}\n=> 401\n\n{{\"detail\":\"Invalid token.\"}}\n\
         ### in at last\n{log_in}\n=> 200\n\n*\n"
    );
    let transcript = Transcript::parse("t", &text).expect("a transcript");
    Player::new(app.address, Caching::NoStore, Variables::new())
        .directed_by(&app)
        .play(&transcript)
        .expect("no change");
    assert_eq!(app.now().since(began), Duration::from_secs(6 * 86_400 + 90));
    assert!(app.direct(&Directive::Deactivate("nobody".to_owned())).is_err());
}

#[test]
fn a_directive_needs_somebody_to_do_it() {
    let transcript = Transcript::parse("t", "### a\n@advance 1s\nGET /\n\n=> 200\n").expect("a transcript");
    let server = canned(&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]);
    let report = Player::new(server, Caching::Unchecked, Variables::new()).play(&transcript).expect_err("nobody");
    assert!(report.contains("there is no director"), "{report}");
    for wrong in ["@advance", "@advance 6", "@advance d", "@advance 6y", "@advance \u{20ac}", "@deactivate", "@end"] {
        let text = format!("### a\n{wrong}\nGET /\n\n=> 200\n");
        assert!(Transcript::parse("t", &text).is_err(), "{wrong}");
    }
}

#[test]
fn the_fixture_holds_the_secrets() {
    let variables = fixture::variables();
    assert_ne!(variables["jwt-secret"], variables["jwt-wrong-secret"]);
    assert!(variables["jwt-secret"].len() >= 32);
}

#[test]
fn hostile_tokens_are_many_and_none_is_the_live_one() {
    let live = token();
    let key = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let loot = Loot { secret: "a secret of at least 32 characters", live: &live, public_key: key, now: 1_767_323_045 };
    let hostile = hostile_jwts(loot);
    println!("{} hostile strings", hostile.len());
    assert!(hostile.len() >= 60);
    assert_eq!(hostile.iter().map(|one| &one.name).collect::<BTreeSet<_>>().len(), hostile.len(), "names");
    let tokens: BTreeSet<_> = hostile.iter().map(|one| &one.token).collect();
    let twice: Vec<_> =
        hostile.iter().filter(|one| hostile.iter().filter(|two| two.token == one.token).count() > 1).collect();
    assert_eq!(tokens.len(), hostile.len(), "{twice:?}");
    assert!(!tokens.contains(&live) && hostile.iter().all(|one| !one.token.is_empty()));
    assert_eq!(hostile, hostile_jwts(loot), "the same loot makes the same list");
    let named = |name: &str| &hostile.iter().find(|one| one.name == name).expect(name).token;
    assert!(named("padded parts, signed so").contains('=') && named("parts in the other alphabet").contains('/'));
    let fitting = hostile.iter().filter(|one| jwt::open(loot.secret.as_bytes(), &one.token).is_ok()).count();
    assert!(fitting >= 40, "{fitting} are signed with the leaked secret");
}
