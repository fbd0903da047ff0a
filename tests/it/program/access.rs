//! What the program reports about places that it may not read or write.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::program::{BINARY, Done, Program, tool};
use crate::harness::small_disk::SmallDisk;

/// An unprivileged user.
const NOBODY: u32 = 65_534;

/// Runs a command as [`NOBODY`], with a copy of the program in `folder`; `None` if the test cannot switch users.
fn as_nobody(program: &Program, folder: &Path, arguments: &[&str]) -> Option<Done> {
    if tool("id", &["-u"]).trim() != "0" {
        eprintln!("NOT RUN: only root can be another user");
        return None;
    }
    let copy = folder.join("knoxide-program");
    if !copy.exists() {
        fs::copy(BINARY, &copy).expect("a copy that everybody can reach");
        fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("a mode");
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"]);
    command.arg(&copy).args(arguments).current_dir("/").env_clear().envs(program.environment());
    let output = command.stdin(Stdio::null()).output().expect("a process");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Done { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) })
}

/// One command of each kind: one that inspects, one that reads, one that creates a database, and the server.
const COMMANDS: [&[&str]; 4] = [&["doctor"], &["user", "list"], &["migrate"], &["serve"]];

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

/// A folder that everybody may enter.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    set_mode(folder.path(), 0o755);
    folder
}

fn on_file(file: &Path) -> Program {
    Program::bare().set("DATABASE_URL", &format!("sqlite://{}", file.display()))
}

#[test]
fn a_file_or_folder_that_cannot_be_written_is_named_with_its_owner_and_the_cure() {
    let outer = tempfile::tempdir().expect("a folder");
    fs::set_permissions(outer.path(), Permissions::from_mode(0o755)).expect("a mode");
    let folder = outer.path().join("data");
    fs::create_dir(&folder).expect("a folder");
    let file = folder.join("k.db");
    let program = Program::bare().set("DATABASE_URL", &format!("sqlite://{}", file.display()));
    program.json(&["migrate"]);
    let wal = folder.join("k.db-wal");
    fs::write(&wal, "").expect("a file");
    let nobody = Some(NOBODY);
    // The owners of the folder, the file and its log, and the one that the message names.
    for (owners, named) in
        [([nobody, None, nobody], &file), ([None, nobody, nobody], &folder), ([nobody, nobody, None], &wal)]
    {
        for (path, owner) in [&folder, &file, &wal].into_iter().zip(owners) {
            chown(path, Some(owner.unwrap_or(0)), None).ok();
            fs::set_permissions(path, Permissions::from_mode(if path == &folder { 0o755 } else { 0o644 }))
                .expect("a mode");
        }
        for command in [&["doctor"][..], &["migrate"], &["user", "list"], &["serve"]] {
            let Some(done) = as_nobody(&program, outer.path(), command) else { return };
            let said = done.out + &done.err;
            let words = ["belongs to user 0", &format!("chown {NOBODY} {}", named.display())];
            assert!(done.code == Some(1) && words.iter().all(|words| said.contains(words)), "{command:?}: {said}");
        }
    }
    for path in [&folder, &file, &wal] {
        chown(path, nobody, None).ok();
    }
    let Some(done) = as_nobody(&program, outer.path(), &["doctor"]) else { return };
    assert!(done.out.contains("fine    writing: possible"), "{}", done.out);
}

#[test]
fn a_folder_that_cannot_be_entered_is_named_with_its_owner_and_the_cure() {
    let outer = open_folder();
    let at = |path: &str| outer.path().join(path);
    fs::create_dir_all(at("closed/inner/data")).expect("folders");
    for path in ["closed", "closed/inner", "closed/inner/data"] {
        set_mode(&at(path), 0o755);
    }
    on_file(&at("closed/inner/data/k.db")).json(&["migrate"]);
    symlink(at("closed/inner/data/k.db"), at("link.db")).expect("a link");
    symlink("closed/inner", at("way")).expect("a link");
    // The file, the folder that is closed, its mode, and the remedy.
    for (file, named, mode, cure) in [
        ("closed/inner/data/k.db", "closed/inner/data", 0o700, "chown 65534"),
        ("closed/inner/data/none.db", "closed/inner/data", 0o000, "chmod u+rwx"),
        ("closed/inner/data/k.db", "closed", 0o700, "chmod o+x"),
        ("closed/inner/data/k.db", "closed/inner", 0o744, "chmod o+x"),
        ("closed/none/none.db", "closed", 0o000, "chmod o+x"),
        ("link.db", "closed/inner", 0o700, "chmod o+x"),
        ("way/data/k.db", "closed", 0o700, "chmod o+x"),
    ] {
        set_mode(&at(named), mode);
        let program = on_file(&at(file));
        for program in [program, on_file(&at(file)).set("KNOXIDE_CREATE", "false")] {
            for command in COMMANDS {
                let Some(done) = as_nobody(&program, outer.path(), command) else { return };
                let said = done.out + &done.err;
                let folder = at(named).display().to_string();
                let words = [
                    &format!("may not enter the folder {folder}. It belongs to user 0, with mode {mode:04o}."),
                    &format!("{cure} {folder}"),
                ];
                let is_said = words.iter().all(|words| said.contains(*words));
                assert!(done.code == Some(1) && is_said, "{command:?} {file}: {said}");
                let untrue = ["there is no database", "does not exist", "knoxide migrate"];
                assert!(untrue.iter().all(|words| !said.contains(words)), "{command:?} {file}: {said}");
            }
        }
        set_mode(&at(named), 0o755);
    }
}

#[test]
fn no_database_is_promised_where_none_can_be_made() {
    let outer = open_folder();
    let folder = outer.path().join("data");
    fs::create_dir(&folder).expect("a folder");
    set_mode(&folder, 0o755);
    let program = on_file(&folder.join("k.db"));
    let of_folder = format!("chown {NOBODY} {}", folder.display());
    for command in COMMANDS {
        let Some(done) = as_nobody(&program, outer.path(), command) else { return };
        let said = done.out + &done.err;
        let code = if command == ["user", "list"] { 5 } else { 1 };
        assert_eq!((done.code, said.contains(&of_folder)), (Some(code), true), "{command:?}: {said}");
        assert!(!said.contains("knoxide migrate"), "{command:?}: {said}");
        if matches!(command, ["doctor" | "user", ..]) {
            assert!(said.contains("there is no database") && said.contains("none can be created there"), "{said}");
        }
    }
    let strict = on_file(&folder.join("k.db")).set("KNOXIDE_CREATE", "false");
    let Some(done) = as_nobody(&strict, outer.path(), &["serve"]) else { return };
    assert!(done.code == Some(1) && done.err.contains("does not exist"), "{}", done.err);
    // The doctor's message about a missing folder too, and about a dangling link.
    symlink(folder.join("gone.db"), folder.join("link.db")).expect("a link");
    for (file, words) in [("none/k.db", "there is no folder"), ("link.db", "where there is no file")] {
        for command in [&["doctor"][..], &["user", "list"]] {
            let done = on_file(&folder.join(file)).run(command);
            let said = done.out + &done.err;
            assert!(said.contains(words) && !said.contains("knoxide migrate"), "{command:?} {file}: {said}");
        }
        for command in [&["migrate"][..], &["serve"]] {
            let done = on_file(&folder.join(file)).run(command);
            assert!(done.code == Some(1) && done.err.contains(words), "{command:?} {file}: {}", done.err);
        }
    }
}

#[test]
fn the_doctor_promises_a_database_only_with_the_setting_that_makes_it() {
    let program = Program::bare();
    let said = program.run(&["doctor"]).out;
    assert!(said.contains("`knoxide migrate` creates one") && !said.contains("KNOXIDE_CREATE"), "{said}");
    let said = program.set("KNOXIDE_CREATE", "false").run(&["doctor"]).out;
    assert!(said.contains("`knoxide migrate` creates one where KNOXIDE_CREATE is true"), "{said}");
}

#[test]
fn a_disk_that_is_mounted_for_reading_only_is_named() {
    let Some(disk) = SmallDisk::of(8) else { return };
    on_file(&disk.path().join("k.db")).json(&["migrate"]);
    disk.forbid_writing();
    for file in ["k.db", "none.db"] {
        let program = on_file(&disk.path().join(file));
        for command in COMMANDS {
            let done = program.run(command);
            let said = done.out + &done.err;
            let words = [&disk.path().display().to_string(), "mounted for reading only: mount it with rw"];
            assert!(words.iter().all(|words| said.contains(words)), "{command:?} {file}: {said}");
            let code = if command == ["user", "list"] && file == "none.db" { 5 } else { 1 };
            assert_eq!(done.code, Some(code), "{command:?} {file}: {said}");
            assert!(!said.contains("knoxide migrate"), "{command:?} {file}: {said}");
        }
    }
}
