//! The parser and the player of transcripts.

use std::collections::BTreeSet;

use knoxide::domain::dialect::Dialect;

use super::canned;
use crate::harness::fixture;
use crate::harness::transcript::notation::{Pattern, Template, Variables};
use crate::harness::transcript::placeholders::Placeholders;
use crate::harness::transcript::player::{Caching, Player};
use crate::harness::transcript::{self, Transcript};

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\r\n{\"a\":\"b\"}";

fn variables() -> Variables {
    Variables::from([("mine".to_owned(), "abc".to_owned())])
}

fn play(transcript: &str, reply: &str) -> Result<(), String> {
    let transcript = Transcript::parse("t", transcript).expect("a transcript");
    // The server closes the connection after its last reply, which the player may notice too late to reconnect. So
    // there is one connection for each case, and one if the server sends nothing.
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
    play(spoken_of, bare).expect("the case itself specifies the headers");
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

const PLACEHOLDERS: &str = "\
# What djoser puts there.
{login} = /jwt/create
{empty} =
{key} = mine
{user EMAIL NAME} = \"username\":\"{NAME}\"

### {refused WHY}
# The refusal of anything.
# differs: documented: its status
=> 400

{\"detail\":\"{WHY}\"}

### {fine}
=> 200
";

fn placeholders() -> Placeholders {
    Placeholders::parse("djoser", PLACEHOLDERS).expect("placeholders")
}

#[test]
fn placeholders_are_text_for_text() {
    for (line, expanded) in [
        ("POST {login}/", "POST /jwt/create/"),
        ("{{user a@b.c o'brien the {key}},\"x\":1}", "{\"username\":\"o'brien the mine\",\"x\":1}"),
        ("{user  nobody}", "\"username\":\"nobody\""),
        ("{{key}}", "{mine}"),
        ("[{empty}]", "[]"),
        ("{unknown} {login x} {user few} {\"login\":{}}", "{unknown} {login x} {user few} {\"login\":{}}"),
        ("{login", "{login"),
    ] {
        assert_eq!(placeholders().expand(line), expanded, "{line}");
    }
}

#[test]
fn a_shared_case_is_as_if_it_had_been_written_for_the_dialect() {
    let shared = "@challenge {empty}\n### {key}\n@for djoser knox\n# differs (knox): ours: x\nPOST {login}/\n\n{{key}}\n\n\
                  => {refused the {key}}\nAllow: {key}\n\n### other\n@for simplejwt\nGET /\n\n=> {fine}\n";
    let own = "### mine\n# differs: documented: its status\nPOST /jwt/create/\n\n{mine}\n\n=> 400\nAllow: mine\n\n{\"detail\":\"the mine\"}";
    let shared = Transcript::parse_for(&placeholders(), "t", shared).expect("a transcript").expect("cases");
    let own = Transcript::parse("t", own).expect("a transcript");
    assert_eq!(shared.challenge, None);
    let told = |transcript: &Transcript| format!("{:?}", transcript.cases).replace("line: 2", "line: 1");
    assert_eq!(told(&shared), told(&own));
}

#[test]
fn a_case_says_better_why_it_differs_than_the_reply() {
    for (mark, expected) in [("# differs (djoser): ours: x\n", "ours: x"), ("# differs: ours: y\n", "ours: y")] {
        let text = format!("### a\n{mark}GET /\n\n=> {{refused x}}\n");
        let transcript = Transcript::parse_for(&placeholders(), "t", &text).expect("a transcript").expect("cases");
        assert_eq!(transcript.cases[0].differs.as_deref(), Some(expected));
    }
}

#[test]
fn what_is_not_for_a_dialect_is_not_there() {
    let of_others = "@for simplejwt\n### a\nGET /\n\n=> 200\n";
    assert!(Transcript::parse_for(&placeholders(), "t", of_others).expect("a transcript").is_none());
    for wrong in [
        "@for nobody\n### a\nGET /\n\n=> 200\n",
        "### a\n@for nobody\nGET /\n\n=> 200\n",
        "### a\n# differs (nobody): ours: x\nGET /\n\n=> 200\n",
        "### a\nGET /\n\n=> {unknown}\n",
        "### a\nGET /\n\n=> {refused}\n",
        "### a\nGET /\n\n=> {refused x}\nAllow: GET\n\nx\n",
    ] {
        assert!(Transcript::parse_for(&placeholders(), "t", wrong).is_err(), "{wrong:?}");
    }
    for wrong in ["no braces = x\n", "{a}\n", "{a} = b\n### {c}\n\nx\n"] {
        assert!(Placeholders::parse("djoser", wrong).is_err(), "{wrong:?}");
    }
}

/// The shared lines for a dialect, as written in the files and as played for the dialect.
fn shared_lines(placeholders: &Placeholders, files: &[String]) -> (String, String) {
    let (mut written, mut played) = (String::new(), String::new());
    for text in files {
        let Some(transcript) = Transcript::parse_for(placeholders, "t", text).expect("a transcript") else { continue };
        let lines: Vec<_> = text.lines().collect();
        let until_heading = |from: usize| lines[from..].iter().take_while(|line| !line.starts_with("### ")).count();
        written.push_str(&lines[..until_heading(0)].join("\n"));
        for case in &transcript.cases {
            let lines = &lines[case.line - 1..case.line + until_heading(case.line)];
            written.push_str(&lines.join("\n"));
            played.push_str(&placeholders.case(lines).expect("a case").expect("it is played").join("\n"));
        }
    }
    (written, played)
}

/// A placeholder is a mistake if a dialect's cases use it and it is missing, if no case uses it, or if it hides a
/// variable.
#[test]
fn a_dialect_has_the_placeholders_that_its_cases_use_and_no_others() {
    let root = fixture::path("transcripts");
    let all = Dialect::ALL.map(Dialect::as_str).map(|dialect| {
        let file = root.join(dialect).join(transcript::PLACEHOLDERS);
        (dialect, Placeholders::read(dialect, &file).expect("placeholders"))
    });
    let names: BTreeSet<_> = all.iter().flat_map(|(_, placeholders)| placeholders.names()).collect();
    let files = std::fs::read_dir(root.join(transcript::COMMON)).expect("transcripts");
    let files: Vec<_> =
        files.map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("a transcript")).collect();
    let is_in = |text: &str, name: &str| ["}", " "].iter().any(|end| text.contains(&format!("{{{name}{end}")));
    for (dialect, placeholders) in &all {
        let own: BTreeSet<_> = placeholders.names().collect();
        let (written, played) = shared_lines(placeholders, &files);
        let unused: Vec<_> = own.iter().filter(|name| !is_in(&written, name)).collect();
        assert!(unused.is_empty(), "{dialect}: no case uses {unused:?}");
        let missing: Vec<_> = names.difference(&own).filter(|name| is_in(&played, name)).collect();
        assert!(missing.is_empty(), "{dialect} has no {missing:?}");
    }
    let variables = fixture::variables();
    for name in names {
        let keeps = ["jwt as ", "hex as ", "tokens-as ", "refreshed-as ", "new-tokens ", "new-refreshed "];
        let is_kept = keeps.iter().any(|keep| {
            [" ", ">"].iter().any(|end| files.iter().any(|text| text.contains(&format!("{keep}{name}{end}"))))
        });
        assert!(!is_kept && !variables.contains_key(name), "{{{name}}} is a variable too");
    }
}

#[test]
fn all_transcripts_can_be_read() {
    for dialect in Dialect::ALL.map(Dialect::as_str) {
        let transcripts = Transcript::read_all(&fixture::path("transcripts"), dialect).expect("transcripts");
        let cases: Vec<_> = transcripts.iter().flat_map(|transcript| &transcript.cases).collect();
        let differing = cases.iter().filter(|case| case.differs.is_some()).count();
        println!("{dialect}: {} cases, {differing} of them differ from the package", cases.len());
        assert!(cases.len() > 850 && differing > 50, "{dialect}");
        for reason in cases.iter().filter_map(|case| case.differs.as_ref()) {
            let kind = reason.split(':').next();
            assert!(matches!(kind, Some("documented" | "crash" | "artefact" | "ours")), "{reason}");
        }
    }
}

#[test]
fn the_fixture_names_its_tokens() {
    let variables = fixture::variables();
    assert_eq!(variables["alice-live"].len(), 40);
    assert_eq!(variables["alice-live-digest"].len(), 128);
}
