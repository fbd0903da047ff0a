//! How commands print names that other users chose.

use serde_json::json;

use crate::harness::app::{Backend, on_each_database};
use crate::harness::program::Program;

/// Characters that a terminal does not show or that control it; of each kind the first, the last or the best known.
const UNSEEN: [char; 36] = [
    '\u{7}',
    '\u{1b}',
    '\u{7f}',
    '\u{85}',
    '\u{9b}', // controls; U+009B is CSI in one character
    '\u{a0}',
    '\u{2003}',
    '\u{202f}',
    '\u{3000}', // white space that looks like another
    '\u{2028}',
    '\u{2029}', // separators
    '\u{61c}',
    '\u{200f}',
    '\u{202e}',
    '\u{2066}',
    '\u{2069}', // direction of writing
    '\u{ad}',
    '\u{200b}',
    '\u{200d}',
    '\u{2060}',
    '\u{feff}', // no width
    '\u{34f}',
    '\u{115f}',
    '\u{3164}',
    '\u{ffa0}',
    '\u{2800}', // blanks that count as letters or symbols
    '\u{180b}',
    '\u{fe0f}',
    '\u{e0100}', // variation selectors
    '\u{fff9}',
    '\u{1d173}',
    '\u{e0041}', // annotations, musical formats, tags
    '\u{e000}',
    '\u{10fffd}', // private use
    '\u{fdd0}',
    '\u{e0fff}', // a noncharacter; unassigned
];

on_each_database! {
    fn what_cannot_be_seen_is_escaped_for_people_and_programs(backend) {
        let program = Program::on(backend);
        let names: Vec<String> = UNSEEN.iter().map(|c| format!("eve{c}{:x}", u32::from(*c))).collect();
        let seen = "Zoë 日本 مريم क्षि o'brien \"the\" <b>& \\u202e".to_owned();
        let all = names.iter().chain([&seen]).zip(1..);
        let users = all.map(|(name, id)| json!({ "id": id, "username": name, "password_hash": "!" }));
        let file = json!({ "format": 1, "users": users.collect::<Vec<_>>() }).to_string();
        program.json(&["import", &program.write("users.json", &file)]);

        let listed = program.run(&["user", "list", "--limit", "100"]);
        let as_json = program.run(&["--json", "user", "list", "--limit", "100"]);
        let shown = names.iter().map(|name| program.run(&["user", "show", name]).out);
        let told = names.iter().map(|name| program.run(&["user", "deactivate", name]).out);
        let not_found = names.iter().map(|name| program.run(&["user", "show", &format!("not {name}")]).err);
        let texts: Vec<String> = [listed.out.clone(), as_json.out.clone()].into_iter().chain(shown).chain(told).chain(not_found).collect();
        for text in &texts {
            let raw: Vec<char> = UNSEEN.into_iter().filter(|c| text.contains(*c)).collect();
            assert!(raw.is_empty() && !text.is_empty(), "{raw:?} in {text:?}");
        }
        assert_eq!(listed.out.lines().count(), names.len() + 2, "each on its line");
        assert!(listed.out.contains("eve\\u009b9b") && listed.out.contains(&seen), "{}", listed.out);
        // In JSON, a program gets every name unchanged.
        let parsed: serde_json::Value = serde_json::from_str(&as_json.out).expect("JSON");
        let parsed: Vec<&str> = parsed.as_array().expect("a list").iter().map(|user| user["username"].as_str().expect("a name")).collect();
        assert_eq!(parsed, names.iter().chain([&seen]).collect::<Vec<_>>());
    }
}

#[test]
fn a_new_name_has_nothing_that_cannot_be_seen() {
    let program = Program::on(Backend::Sqlite);
    // An argument cannot contain NUL; anything else can be typed or pasted.
    for c in UNSEEN {
        let done = program.run(&["user", "add", &format!("a{c}b"), "--password-hash", "!"]);
        assert_eq!(done.code, Some(4), "U+{:04x}: {}{}", u32::from(c), done.out, done.err);
    }
    for name in ["Zoë", "日本", "مريم", "क्षि", "o'brien \"the\" <b>&"] {
        assert_eq!(program.run(&["user", "add", name, "--password-hash", "!"]).code, Some(0), "{name}");
    }
}
