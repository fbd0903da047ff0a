//! The reader and the player of transcripts.

use super::canned;
use crate::support::fixture;
use crate::support::transcript::Transcript;
use crate::support::transcript::notation::{Pattern, Template, Variables};
use crate::support::transcript::player::{Caching, Player};

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\r\n{\"a\":\"b\"}";

fn variables() -> Variables {
    Variables::from([("mine".to_owned(), "abc".to_owned())])
}

fn play(transcript: &str, reply: &str) -> Result<(), String> {
    let transcript = Transcript::parse("t", transcript).expect("a transcript");
    // The server hangs up after its last reply, which the player may notice too late to connect
    // anew: so it has one for each case, and for none if it says nothing.
    let replies = vec![reply; if reply.is_empty() { 1 } else { transcript.cases.len() }];
    Player::new(canned(&replies), Caching::NoStore, variables()).play(&transcript)
}

#[test]
fn a_transcript_that_fits_passes() {
    play("### a\nGET /\n\n=> 200\nContent-Length: 9\n!Allow\n\n{\"a\":*}\n", GOOD).expect("no difference");
}

#[test]
fn every_difference_of_a_case_is_reported() {
    let wrong = "### first\nGET /\n\n=> 201\nX: 1\n!Content-Length\n\n{}\n";
    let report = play(wrong, GOOD).expect_err("differences");
    for part in [
        "t:1: first",
        "expected 201, got 200",
        "X: expected Some(\"1\"), got None",
        "Content-Length: expected None",
        "expected {}",
        "{\"a\":\"b\"}",
    ] {
        assert!(report.contains(part), "{part} is not in:\n{report}");
    }
}

#[test]
fn the_rules_for_all_replies_hold_unless_switched_off() {
    let bare = "HTTP/1.1 401 No\r\nContent-Length: 1\r\nWWW-Authenticate: Basic\r\n\r\nx";
    let report = play("@challenge Token\n### a\nGET /\n\n=> 401\n\nx\n", bare).expect_err("broken rules");
    for part in ["Content-Type: expected", "WWW-Authenticate: expected Some(\"Token\")", "Cache-Control: expected"] {
        assert!(report.contains(part), "{part} is not in:\n{report}");
    }
    play("### a\n@bare\nGET /\n\n=> 401\n\n*\n", bare).expect("no rules");
    let spoken_of = "### a\nGET /\n\n=> 401\n!Content-Type\nWWW-Authenticate: Basic\n!Cache-Control\n\nx\n";
    play(spoken_of, bare).expect("the case itself speaks of the headers");
    let challenged = GOOD.replace("Content-Type", "WWW-Authenticate: Token\r\nContent-Type");
    play("@challenge Token\n### a\nGET /\n\n=> 200\n\n*\n", &challenged).expect_err("a challenge without a 401");
}

#[test]
fn caching_is_unchecked_where_the_server_is_not_ours() {
    let transcript = Transcript::parse("t", "### a\nGET /\n\n=> 200\n").expect("a transcript");
    let server = canned(&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]);
    Player::new(server, Caching::Unchecked, variables()).play(&transcript).expect("no difference");
    Player::new(server, Caching::NoStore, variables()).play(&transcript).expect_err("a reply that may be stored");
}

#[test]
fn a_server_that_hangs_up_fails_each_case() {
    let report = play("### a\nGET /\n\n=> 200\n\n### b\nGET /\n\n=> 200\n", "").expect_err("no replies");
    assert_eq!(report.matches("no reply").count(), 2, "{report}");
}

#[test]
fn what_a_reply_brings_is_known_to_later_cases() {
    let text =
        "### a\nGET /\n\n=> 200\n\n{\"a\":\"<1 hex as got>\"}\n\n### b\nGET /{got}\n\n=> 200\n\n{\"a\":\"{got}\"}\n";
    play(text, GOOD).expect("b is a hexadecimal digit");
    let report = play("### a\nGET /{other}\n\n=> 200\n", GOOD).expect_err("an unknown variable");
    assert!(report.contains("nothing is known as {other}"), "{report}");
}

#[test]
fn patterns_fit_what_they_say_and_no_more() {
    let hex = "0123456789abcdef0123456789abcdef01234567";
    let cases = [
        ("<40 hex>", hex, true),
        ("<40 hex>", &hex.to_uppercase(), false),
        ("<40 hex>", &hex[1..], false),
        ("<39 hex>", hex, false),
        ("<uuid>", "019ab5f0-7c3e-7abc-8def-0123456789ab", true),
        ("<uuid>", "019ab5f0-7c3e-7abc-8def-0123456789aB", false),
        ("<time>", "2024-01-02T03:04:05.678901Z", true),
        ("<time>", "2024-01-02T03:04:05Z", true),
        ("<time>", "2024-01-02T03:04:05+00:00", false),
        ("<time>", "2024-13-02T03:04:05Z", false),
        ("a*c", "abbc", true),
        ("a*c", "abcd", false),
        ("*<2 hex>*x", "zz12x", true),
        ("", "", true),
        ("", " ", false),
        ("<b>&", "<b>&", true),
        ("{mine}<upper mine><reversed mine><first 2 mine>", "abcABCcbaab", true),
        ("<repeat 3 ab>", "ababab", true),
    ];
    for (pattern, text, expected) in cases {
        let fits = Pattern::parse(pattern).and_then(|pattern| pattern.fits(text.as_bytes(), &mut variables()));
        assert_eq!(fits, Ok(expected), "{pattern} and {text}");
    }
}

#[test]
fn a_pattern_keeps_nothing_unless_it_fits() {
    let mut variables = variables();
    let pattern = Pattern::parse("<2 hex as mine>!").expect("a pattern");
    assert_eq!(pattern.fits(b"12?", &mut variables), Ok(false));
    assert_eq!(variables["mine"], "abc");
    assert_eq!(pattern.fits(b"12!", &mut variables), Ok(true));
    assert_eq!(variables["mine"], "12");
}

#[test]
fn templates_are_bytes() {
    let template = Template::parse("<bytes ff 00>{mine}{\"a\":1}*<b>").expect("a template");
    assert_eq!(template.fill(&variables()).expect("bytes"), b"\xff\0abc{\"a\":1}*<b>");
    for wrong in ["<bytes xx>", "<repeat x y>", "<40 hex>", "<first mine>"] {
        Template::parse(wrong).expect_err(wrong);
    }
}

#[test]
fn slips_of_the_pen_are_found_before_anything_is_sent() {
    for wrong in [
        "",
        "GET /\n",
        "### a\n",
        "### a\nGET\n\n=> 200\n",
        "### a\nGET /\n",
        "### a\nGET /\n\n=> two\n",
        "### a\n@unknown\nGET /\n\n=> 200\n",
        "### a\nGET /\nno header\n\n=> 200\n",
        "### a\nGET /\n!Absent\n\n=> 200\n",
        "### a\nGET /\n\n<bytes zz>\n\n=> 200\n",
    ] {
        assert!(Transcript::parse("t", wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn all_transcripts_can_be_read() {
    for (dialect, least) in
        [("knox", 800), ("drf_jwt", 600), ("simplejwt", 600), ("access_token", 600), ("djoser", 600)]
    {
        let folder = fixture::path(&format!("transcripts/{dialect}"));
        let transcripts = Transcript::read_all(&folder).expect("transcripts");
        let cases: Vec<_> = transcripts.iter().flat_map(|transcript| &transcript.cases).collect();
        let differing = cases.iter().filter(|case| case.differs.is_some()).count();
        println!("{dialect}: {} cases, {differing} of them differ from the package", cases.len());
        assert!(cases.len() > least && differing > 50, "{dialect}");
        for reason in cases.iter().filter_map(|case| case.differs.as_ref()) {
            let kind = reason.split(':').next();
            assert!(matches!(kind, Some("seed" | "crash" | "artefact" | "ours")), "{reason}");
        }
    }
}

#[test]
fn the_fixture_names_its_tokens() {
    let variables = fixture::variables();
    assert_eq!(variables["alice-live"].len(), 40);
    assert_eq!(variables["alice-live-digest"].len(), 128);
}
