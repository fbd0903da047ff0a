//! Files with the first password that an earlier start left behind.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;

use crate::harness::app::{Backend, on_each_database};
use crate::harness::program::{PASSWORD, Program};

/// A password in the form that a start writes.
const FULL: &str = "abcdefghjkmnpqrstuvw\n";

/// The names of all password files, in order.
fn files(program: &Program) -> Vec<String> {
    let names = fs::read_dir(program.folder()).expect("a folder").flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("knoxide-admin-password")).collect();
    names.sort();
    names
}

/// The password in the final file.
fn handed_over(program: &Program) -> String {
    let path = program.folder().join("knoxide-admin-password");
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o7777, 0o600);
    fs::read_to_string(path).expect("a password").trim().to_owned()
}

on_each_database! {
    fn what_killed_starts_left_is_cleared_away_and_nothing_else(backend) {
        let program = Program::on(backend).with_admin();
        program.start().stop();
        program.write("knoxide-admin-password-00000001", FULL);
        program.write("knoxide-admin-password-00000002", "");
        program.write("knoxide-admin-password-00000003", "abc");
        // None of these is a draft of this program, whatever its name says.
        program.write("knoxide-admin-password", "that was not read yet\n");
        program.write("knoxide-admin-password-notes", FULL);
        program.write("knoxide-admin-password-0000000A", FULL);
        program.write("knoxide-admin-password-00000004", "twenty characters and more\n");
        let open = program.write("knoxide-admin-password-00000005", FULL);
        fs::set_permissions(open, fs::Permissions::from_mode(0o640)).expect("a mode");
        let elsewhere = program.write("elsewhere", FULL);
        symlink(&elsewhere, program.folder().join("knoxide-admin-password-00000006")).expect("a link");
        fs::hard_link(&elsewhere, program.folder().join("knoxide-admin-password-00000007")).expect("a link");
        fs::create_dir(program.folder().join("knoxide-admin-password-00000008")).expect("a folder");
        // Another start is using this one.
        let held = program.write("knoxide-admin-password-00000009", FULL);
        let holder = fs::File::open(&held).expect("a file");
        holder.lock().expect("a lock");

        let kept = ["", "-00000004", "-00000005", "-00000006", "-00000007", "-00000008", "-00000009", "-0000000A", "-notes"];
        let kept: Vec<String> = kept.iter().map(|ending| format!("knoxide-admin-password{ending}")).collect();
        let server = program.start();
        assert_eq!(files(&program), kept);
        server.client().login("admin", PASSWORD);
        server.stop();
        drop(holder);
        program.start().stop();
        assert_eq!(files(&program).len(), kept.len() - 1, "no process holds it any more");
        assert!(fs::exists(elsewhere).expect("an answer"));
    }

    fn a_start_killed_before_it_published_the_password_is_finished_by_the_next(backend) {
        let program = Program::on(backend);
        program.start().stop();
        let password = handed_over(&program);
        let published = program.folder().join("knoxide-admin-password");
        let draft = program.folder().join("knoxide-admin-password-01234567");
        fs::rename(&published, &draft).expect("a rename");
        // It is recognised whatever hashes cost now.
        let program = program.set("KNOXIDE_BCRYPT_COST", "11");
        let server = program.start();
        let line = server.wait_for("log in with the password in the file");
        assert!(line.ends_with("/knoxide-admin-password"), "{line}");
        assert_eq!((handed_over(&program), files(&program).len()), (password.clone(), 1));
        server.client().login("admin", &password);
        assert!(!server.stop().contains(&password));

        // Once the user has another password, the old one is useless.
        fs::rename(&published, &draft).expect("a rename");
        assert_eq!(program.run_with(&["user", "passwd", "admin", "--password-stdin"], PASSWORD).code, Some(0));
        let log = program.start().stop();
        assert!(files(&program).is_empty() && !log.contains("the password in the file"), "{log}");
    }
}

#[test]
fn starts_that_fail_leave_one_file_and_its_password_is_the_one_that_is_stored() {
    let program = Program::on(Backend::Sqlite);
    program.json(&["migrate"]);
    let alter = |sql: &str| {
        let path = program.folder().join("knoxide.db").display().to_string();
        diesel::SqliteConnection::establish(&path).expect("a connection").batch_execute(sql).expect(sql);
    };
    alter("CREATE TRIGGER refuse BEFORE INSERT ON users BEGIN SELECT RAISE(ABORT, 'no'); END");
    for _ in 0..3 {
        assert_eq!(program.run(&["serve"]).code, Some(1));
        assert_eq!(files(&program).len(), 1, "{:?}", files(&program));
    }
    let draft = fs::read_to_string(program.folder().join(&files(&program)[0])).expect("a password");
    alter("DROP TRIGGER refuse");
    let server = program.start();
    assert_eq!(files(&program), ["knoxide-admin-password"]);
    assert_eq!(handed_over(&program), draft.trim());
    server.client().login("admin", draft.trim());
}
