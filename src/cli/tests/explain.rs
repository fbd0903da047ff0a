use serde_json::{Value, json};

use super::{Machine, Ran, Typist};

fn create(machine: &Machine) -> (String, String) {
    let made = machine.json(&["token", "create", "alice", "--name", "backup"]);
    let text = |name: &str| made[name].as_str().expect("text").to_owned();
    (text("token"), text("session"))
}

/// Explains the text on standard input.
fn explain(machine: &Machine, input: &str, arguments: &[&str]) -> Ran {
    let typist = Typist { input: Box::leak(input.to_owned().into_boxed_str()), ..Typist::default() };
    machine.run_with(&[arguments, &["explain", "--token"]].concat(), typist, &[])
}

#[test]
fn a_token_on_standard_input_is_explained() {
    let machine = Machine::with_alice();
    let (token, session) = create(&machine);
    let ran = explain(&machine, &format!("{token}\n"), &[]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(
        ran.out,
        format!(
            "This access token is good, until it is ended.\nSession {session} of alice (user 1), named \"backup\", opened \
             at 2023-11-14T22:13:20Z under knox, last used at 2023-11-14T22:13:20Z.\n"
        )
    );
    machine.wait(60);
    machine.done(&["session", "revoke", &session]);
    let ran = explain(&machine, &token, &[]);
    let first = ran.out.lines().next().expect("a line");
    assert_eq!(
        first,
        "This access token was ended at 2023-11-14T22:14:20Z by the command line: revoked by an administrator."
    );
    assert!(!ran.out.contains(&token));
    let by_session = machine.done(&["explain", &session]);
    assert!(
        by_session.starts_with("This session was ended at 2023-11-14T22:14:20Z by the command line"),
        "{by_session}"
    );
    let json: Value = explain(&machine, &token, &["--json"]).json();
    assert_eq!((&json["state"], &json["actor"], &json["kind"]), (&json!("ended"), &json!("cli"), &json!("access")));
}

#[test]
fn a_token_can_be_typed_unseen() {
    let machine = Machine::with_alice();
    let (token, _) = create(&machine);
    let typist = Typist { lines: vec![Box::leak(token.into_boxed_str())], ..Typist::default() };
    let ran = machine.run_with(&["explain", "--token"], typist, &[]);
    assert!(ran.out.starts_with("This access token is good"), "{ran:?}");
}

#[test]
fn a_token_as_an_argument_is_refused_and_not_repeated() {
    let machine = Machine::with_alice();
    let (token, session) = create(&machine);
    let with_equals = format!("--token={token}");
    for arguments in [
        vec!["explain", &token],
        vec!["explain", "--token", &token],
        vec!["explain", &with_equals],
        vec!["explain", &session, &token],
        vec!["explain", "--token", &session],
    ] {
        let said = machine.refused(2, &arguments);
        assert!(said.contains("exposed") && !said.contains(&token), "{said}");
    }
    assert!(machine.refused(2, &["explain"]).contains("--token"));
}

#[test]
fn what_is_unknown_is_said_in_words() {
    let machine = Machine::with_alice();
    let ran = explain(&machine, "0123456789abcdef0123456789abcdef01234567", &[]);
    assert_eq!(
        ran.out,
        "Nothing is known here: this token was never handed out, or has been gone for longer than 30 days.\n"
    );
    assert!(explain(&machine, "Token abc", &[]).out.starts_with("This cannot be a token"));
    let session = machine.done(&["explain", "018cc251-f400-7000-8000-000000000000"]);
    assert!(session.starts_with("Nothing is known here: this session was never"), "{session}");
    let days = [("KNOXIDE_SESSION_RETENTION", "36h")];
    let arguments = ["--json", "explain", "018cc251-f400-7000-8000-000000000000"];
    assert_eq!(machine.run_with(&arguments, Typist::default(), &days).json()["days"], 1);
}
