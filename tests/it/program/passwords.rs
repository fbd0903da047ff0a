//! Which new passwords are refused, and that old ones stay valid.

use knoxide::domain::random::SystemRandom;
use knoxide::domain::user::Password;

use crate::harness::app::{Backend, cheap_hasher};
use crate::harness::program::Program;

fn add(program: &Program, name: &str, email: &str, password: &str) -> (Option<i32>, String) {
    let done = program.run_with(&["user", "add", name, "--email", email, "--password-stdin"], password);
    assert!(!done.err.contains(password), "{}", done.err);
    (done.code, done.err)
}

#[test]
fn ones_own_name_is_no_password() {
    let program = Program::on(Backend::Sqlite);
    for password in
        ["alexandra-", "Alexandra7!", "al3xandra!", "ardnaxela", "alexandra-alexandra", "rosenfeld7", "example.org"]
    {
        let (code, told) = add(&program, "alexandra", "a.rosenfeld@example.org", password);
        assert!(code == Some(4) && told.contains("name or e-mail"), "{password}: {told}");
    }
    for password in ["correct-horse-9", "alexandra keeps nine bees", "tall-trees-44"] {
        let name = format!("alexandra{}", password.len());
        let email = format!("{name}.rosenfeld@example.org");
        assert_eq!(add(&program, &name, &email, password).0, Some(0), "{password}");
    }
    // The same for a changed password, and for the first user's.
    let done = program.run_with(&["user", "passwd", "alexandra15", "--password-stdin"], "alexandra15!");
    assert!(done.code == Some(4) && done.err.contains("name or e-mail"), "{}", done.err);
    let done = program.set("KNOXIDE_ADMIN_PASSWORD", "admin-admin").run(&["serve"]);
    assert!(done.code == Some(2) && done.err.contains("name or e-mail"), "{}", done.err);
}

#[test]
fn thousands_of_common_passwords_are_refused() {
    let program = Program::on(Backend::Sqlite);
    for password in ["trustno1", "1qaz2wsx3edc", "Manchester", "teacher1", "p@ssw0rd", "mephisto", "nederland"] {
        let (code, told) = add(&program, "bob", "", password);
        assert!(code == Some(4) && told.contains("most common"), "{password}: {told}");
    }
}

#[test]
fn a_password_from_before_still_logs_in() {
    let program = Program::on(Backend::Sqlite).with_admin();
    for (name, password) in [("alexandra", "alexandra"), ("bob", "trustno1"), ("carol", "x")] {
        let hash = cheap_hasher().hash(&Password::new(password.to_owned()), &SystemRandom).expect("a hash");
        assert_eq!(program.run(&["user", "add", name, "--password-hash", hash.expose()]).code, Some(0));
        program.start().client().login(name, password);
    }
}
