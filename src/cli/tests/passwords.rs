use std::os::unix::fs::PermissionsExt;

use super::{HASH, Machine, Ran, Typist};
use crate::domain::password::{Hasher, Verification};
use crate::domain::user::{Password, PasswordHash, UserId};

/// The lowest cost that the settings allow.
const CHEAP: (&str, &str) = ("KNOXIDE_BCRYPT_COST", "10");

fn stored(machine: &Machine) -> PasswordHash {
    machine.connection().find_account_by_id(UserId(1)).expect("an answer").expect("a user").password
}

fn fits(machine: &Machine, password: &str) -> bool {
    let hasher = Hasher::new(10).expect("a hasher");
    hasher.verify(&Password::new(password.to_owned()), Some(&stored(machine))) == Verification::Right
}

fn passwd(machine: &Machine, arguments: &[&str], typist: Typist) -> Ran {
    machine.run_with(&[&["user", "passwd", "alice"], arguments].concat(), typist, &[CHEAP])
}

#[test]
fn a_person_types_it_twice() {
    let machine = Machine::with_alice();
    let twice = |first, second| Typist { lines: vec![first, second], input: "" };
    assert!(passwd(&machine, &[], twice("correct horse", "correct house")).err.contains("differ"));
    assert_eq!(stored(&machine).expose(), HASH);
    assert_eq!(passwd(&machine, &[], twice("correct horse", "correct horse")).code, 0);
    assert!(fits(&machine, "correct horse"));
}

#[test]
fn a_program_pipes_it() {
    let machine = Machine::with_alice();
    for (input, password) in [
        ("battery staple\r\n", "battery staple"),
        ("two lines \n of it\n", "two lines \n of it"),
        ("\u{feff}from an editor\r\n", "from an editor"),
    ] {
        let ran = passwd(&machine, &["--password-stdin"], Typist { lines: vec![], input });
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(fits(&machine, password), "{password:?}");
    }
    for input in [" correct horse", "correct horse \n", "correct horse\n\n", "            "] {
        let ran = passwd(&machine, &["--password-stdin"], Typist { lines: vec![], input });
        assert!(ran.code == 4 && ran.err.contains("white space"), "{input:?}: {}", ran.err);
    }
    let ran = passwd(&machine, &[], Typist::default());
    assert_eq!(ran.code, 2, "no terminal");
    assert!(ran.err.contains("--password-stdin"));
}

#[test]
fn a_file_holds_it_and_a_warning_says_who_else_can_read_it() {
    let machine = Machine::with_alice();
    let path = machine.folder.path().join("password");
    std::fs::write(&path, "correct horse\n").expect("a file");
    let from_file = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("its mode");
        passwd(&machine, &["--password-file", &path.display().to_string()], Typist::default())
    };
    let folder = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(machine.folder.path(), mode).expect("its mode");
    };
    for (folder_mode, file_mode, warns) in [(0o755, 0o644, true), (0o755, 0o600, false), (0o700, 0o644, false)] {
        folder(folder_mode);
        let ran = from_file(file_mode);
        assert_eq!((ran.code, ran.err.contains("chmod o=")), (0, warns), "{}", ran.err);
    }
    assert!(fits(&machine, "correct horse"));
    assert_eq!(passwd(&machine, &["--password-file", "/nowhere"], Typist::default()).code, 3);
}

#[test]
fn weak_ones_and_useless_hashes_are_refused_and_not_repeated() {
    let machine = Machine::with_alice();
    for weak in ["hunter2", "Password123"] {
        let ran = passwd(&machine, &["--password-stdin"], Typist { lines: vec![], input: weak });
        assert_eq!(ran.code, 4);
        assert!(!ran.err.contains(weak), "{}", ran.err);
    }
    let ran = passwd(&machine, &["--password-hash", "plain$hunter2"], Typist::default());
    assert_eq!(ran.code, 4);
    assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    assert_eq!(stored(&machine).expose(), HASH);
}

#[test]
fn a_new_password_ends_the_sessions() {
    let machine = Machine::with_alice();
    machine.done(&["token", "create", "alice", "--name", "script"]);
    machine.done(&["user", "passwd", "alice", "--password-hash", HASH]);
    assert_eq!(machine.json(&["session", "list"]), serde_json::json!([]));
}
