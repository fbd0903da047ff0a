//! From an empty folder to the first token.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use super::token_in;
use crate::harness::app::{Backend, on_each_database};
use crate::harness::program::{BINARY, PASSWORD, Program, Running, tool};

/// Logs in, checks, logs out and checks again, with curl.
fn log_in_and_out(url: &str, login: &str) {
    let token = token_in(&tool("sh", &["-c", login]));
    let status = |method: &str, path: &str| {
        let (header, url) = (format!("Authorization: Token {token}"), format!("{url}{path}"));
        tool("curl", &["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", method, "-H", &header, &url])
    };
    assert_eq!(status("GET", "/auth/user/"), "200");
    assert_eq!(status("POST", "/auth/logout/"), "200");
    assert_eq!(status("GET", "/auth/user/"), "401");
}

fn login_by_curl(url: &str, password: &str) -> String {
    format!(
        "curl -s -H 'Content-Type: application/json' -d '{{\"username\":\"admin\",\"password\":\"{password}\"}}' \
         {url}/auth/login/"
    )
}

/// The password in the file that the log names, which only its owner can read.
fn password_by_log(program: &Program, server: &Running) -> String {
    let line = server.wait_for("the first user was created");
    let path = PathBuf::from(line.split_once("file=").expect("a path").1);
    assert_eq!(path, fs::canonicalize(program.folder()).expect("a folder").join("knoxide-admin-password"), "{line}");
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o7777, 0o600);
    fs::read_to_string(path).expect("a password").trim().to_owned()
}

fn count_users(program: &Program) -> usize {
    program.json(&["user", "list"]).as_array().expect("a list").len()
}

on_each_database! {
    fn the_first_minute_without_a_terminal(backend) {
        let program = Program::on(backend);
        let server = program.start();
        let password = password_by_log(&program, &server);
        let url = format!("http://{}", server.address());
        log_in_and_out(&url, &login_by_curl(&url, &password));
        let log = server.stop();
        assert!(!log.contains(&password), "{log}");

        // The second start finds everything in place.
        let server = program.start();
        let url = format!("http://{}", server.address());
        log_in_and_out(&url, &login_by_curl(&url, &password));
        assert_eq!(count_users(&program), 1);
        let log = server.stop();
        assert!(!log.contains("first user") && !log.contains("up to date"), "{log}");
    }

    fn two_at_once_make_one_admin(backend) {
        let program = Program::on(backend);
        let (mut one, mut other) = (program.command(&[]), program.command(&[]));
        let (one, other) = std::thread::scope(|scope| {
            let other = scope.spawn(|| Running::of(&mut other));
            (Running::of(&mut one), other.join().expect("a server"))
        });
        assert_eq!(count_users(&program), 1);
        let winners: Vec<_> = [&one, &other].into_iter().filter(|server| server.log_lines().iter().any(|line| line.contains("first user was created"))).collect();
        assert_eq!(winners.len(), 1);
        let password = password_by_log(&program, winners[0]);
        for server in [&one, &other] {
            server.client().login("admin", &password);
        }
        // The file of the start that came second, with a password that is not in use, is gone.
        let files = fs::read_dir(program.folder()).expect("a folder").flatten();
        let files = files.filter(|file| file.file_name().to_string_lossy().starts_with("knoxide-admin-password"));
        assert_eq!(files.count(), 1);
    }
}

#[test]
fn a_file_of_an_earlier_database_does_not_stand_in_the_way() {
    let program = Program::on(Backend::Sqlite);
    program.write("knoxide-admin-password", "of-a-database-that-is-gone\n");
    let server = program.start();
    let password = password_by_log(&program, &server);
    server.client().login("admin", &password);
}

#[test]
fn the_settings_give_the_password() {
    let program = Program::on(Backend::Sqlite);
    let secret = program.write("secret", &format!("{PASSWORD}\n"));
    let program = program.set("KNOXIDE_ADMIN_PASSWORD_FILE", &secret);
    let server = program.start();
    server.wait_for("the first user was created, with the password of the settings");
    server.client().login("admin", PASSWORD);
    assert!(!program.folder().join("knoxide-admin-password").exists());
    assert!(!server.stop().contains(PASSWORD));

    // A secret that all users can read is still used, with a warning.
    for (path, mode) in [(program.folder(), 0o755), (secret.as_ref(), 0o604)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a changed mode");
    }
    let server = program.start();
    let line = server.wait_for("holds a secret, and all users can read it");
    assert!(line.contains("chmod o=") && line.contains("mode=0604"), "{line}");
    assert!(!server.stop().contains(PASSWORD));
}

#[test]
fn a_password_of_the_settings_that_changed_later_is_told() {
    const OTHER: &str = "another-horse-7";
    let program = Program::on(Backend::Sqlite).with_admin();
    program.start().stop();
    let log = program.start().stop();
    assert!(!log.contains("KNOXIDE_ADMIN_PASSWORD"), "{log}");
    let program = program.set("KNOXIDE_ADMIN_PASSWORD", OTHER);
    let server = program.start();
    let line = server.wait_for("KNOXIDE_ADMIN_PASSWORD is not the password of admin");
    assert!(line.contains("knoxide user passwd admin"), "{line}");
    server.client().login("admin", PASSWORD);
    assert_eq!(server.client().try_login("admin", OTHER).status, 400);
    let log = server.stop();
    assert!(!log.contains(OTHER) && !log.contains(PASSWORD), "{log}");
    program.json(&["user", "deactivate", "admin", "--force"]);
    let program = program.with_admin();
    let server = program.start();
    let line = server.wait_for("KNOXIDE_ADMIN_PASSWORD is the password of admin, who is not active");
    assert!(line.contains("knoxide user activate admin"), "{line}");
    server.stop();
    program.json(&["user", "rename", "admin", "root"]);
    let server = program.start();
    server.wait_for("KNOXIDE_ADMIN_PASSWORD is not used");
    server.stop();
}

/// A program whose database refuses every new user with an error.
fn that_stores_no_user() -> Program {
    use diesel::Connection as _;
    use diesel::connection::SimpleConnection as _;

    let program = Program::on(Backend::Sqlite);
    program.json(&["migrate"]);
    let path = program.folder().join("knoxide.db").display().to_string();
    let mut database = diesel::SqliteConnection::establish(&path).expect("a connection");
    let refusing = "CREATE TRIGGER refuse BEFORE INSERT ON users BEGIN SELECT RAISE(ABORT, 'no'); END";
    database.batch_execute(refusing).expect("a trigger");
    program
}

#[test]
fn an_error_does_not_throw_a_password_away_that_may_be_stored() {
    let program = that_stores_no_user();
    let done = program.run(&["serve"]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    let line = done
        .err
        .lines()
        .find(|line| line.contains("the connection to the database broke"))
        .unwrap_or_else(|| panic!("{}", done.err));
    let file = line.split_once("file=").expect("a path").1;
    let password = fs::read_to_string(file).expect("a password");
    assert!(!done.err.contains(password.trim()), "{}", done.err);

    let program = that_stores_no_user();
    let output = terminal_command(&program).output().expect("an ended process");
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(shown.contains("the connection to the database broke") && shown.contains("with the password "), "{shown}");
}

/// Starts the program on a terminal of its own, and writes its process id to the file `pid`.
fn on_a_terminal(program: &Program) -> Running {
    Running::of(&mut terminal_command(program))
}

fn terminal_command(program: &Program) -> Command {
    let settings: String = program.environment().map(|(name, value)| format!("{name}='{value}' ")).collect();
    let inner = format!("echo $$ >pid; exec env -i {settings} '{BINARY}' 2>&1");
    let mut command = Command::new("sh");
    // The terminal's output goes to where this harness reads logs.
    command.args(["-c", "exec script -qefc \"$1\" /dev/null >&2", "sh", &inner]);
    program.prepare(&mut command);
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
    command
}

fn stop_on_a_terminal(program: &Program, mut server: Running) -> String {
    let pid = fs::read_to_string(program.folder().join("pid")).expect("a number");
    let pid = Pid::from_raw(pid.trim().parse().expect("a number")).expect("a process");
    kill_process(pid, Signal::TERM).expect("a process that runs");
    let (status, log) = server.end();
    assert_eq!(status.code(), Some(0), "{log}");
    log
}

#[test]
fn on_a_terminal_the_password_is_shown_once_ready_to_be_pasted() {
    let program = Program::on(Backend::Sqlite);
    let server = on_a_terminal(&program);
    let line = server.wait_for("curl -H");
    let listening = server.wait_for(": listening address=");
    let url = format!("http://{}", listening.trim_end().rsplit_once('=').expect("an address").1);
    log_in_and_out(&url, line.trim());
    let shown = stop_on_a_terminal(&program, server);
    assert_eq!(shown.matches("The first user is admin, with the password").count(), 1, "{shown}");
    assert_eq!(shown.matches("curl -H").count(), 1, "{shown}");
    assert!(!program.folder().join("knoxide-admin-password").exists());

    let server = on_a_terminal(&program);
    let shown = stop_on_a_terminal(&program, server);
    assert!(!shown.contains("password"), "{shown}");
}

#[test]
fn a_first_start_that_fails_late_shows_the_password_all_the_same() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let program = Program::on(Backend::Sqlite).set("KNOXIDE_LISTEN", &address);
    let output = terminal_command(&program).output().expect("an ended process");
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && shown.contains("cannot listen"), "{shown}");
    let password = shown.split_once("with the password ").expect("a password").1;
    let password = password.split_whitespace().next().expect("a password");
    let program = program.set("KNOXIDE_LISTEN", "127.0.0.1:0");
    program.start().client().login("admin", password);
}
