//! A server whose role may read and write rows, but change no tables.

use std::process::Stdio;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use serde_json::{Value, json};

use super::revocation::{digest, token};
use crate::harness::app::Backend;
use crate::harness::postgres::{connect, shared, with_database};
use crate::harness::program::{PASSWORD, Program, Running};

/// The statements with which the operators' documentation creates such a role.
fn documented_grants(role: &str, database: &str) -> String {
    let document = include_str!("../../../docs/operations.md");
    let (_, rest) = document.split_once("### A role without the right to change tables").expect("the section");
    let (_, rest) = rest.split_once("```sql\n").expect("its statements");
    let (statements, _) = rest.split_once("```").expect("their end");
    statements.replace("knoxide_server", role).replace("DATABASE knoxide", &format!("DATABASE {database}"))
}

/// The same URL for another role.
fn as_role(url: &str, role: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{role}:secret@{host}")
}

/// A role that is dropped after its database.
struct Role {
    name: String,
    server: String,
}

impl Drop for Role {
    fn drop(&mut self) {
        let drop = format!("DROP ROLE IF EXISTS {}", self.name);
        PgConnection::establish(&self.server).ok().and_then(|mut server| server.batch_execute(&drop).ok());
    }
}

/// The doctor's finding about this subject: weight and fact.
fn finding(program: &Program, subject: &str) -> (String, String) {
    let done = program.run(&["--json", "doctor"]);
    let findings: Value = serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{}{}", done.out, done.err));
    let found = findings.as_array().expect("a list").iter().find(|finding| finding["subject"] == subject);
    let text = |name: &str| found.expect("a finding")[name].as_str().expect("a text").to_owned();
    (text("weight"), text("fact"))
}

#[test]
fn a_role_that_may_only_change_rows_can_serve_and_is_told_what_it_cannot() {
    if shared().is_none() {
        return;
    }
    let program = Program::on(Backend::Postgres).with_admin();
    let owner = program.environment().find(|(name, _)| *name == "DATABASE_URL").expect("a URL").1.to_owned();
    let database = owner.rsplit('/').next().and_then(|name| name.split('?').next()).expect("a name").to_owned();
    let role = Role { name: format!("{database}_server"), server: with_database(&owner, "postgres") };
    let run_as_owner = |sql: &str| connect(&owner).batch_execute(sql).expect(sql);
    run_as_owner(&format!("CREATE ROLE {} LOGIN PASSWORD 'secret'", role.name));
    // This is the default from Postgres 15 on.
    run_as_owner("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let program = program.set("DATABASE_URL", &as_role(&owner, &role.name));

    // Without tables it cannot start; it says which role has to create them.
    let started = program.command(&[]).stdin(Stdio::null()).output().expect("a process that ends");
    let log = String::from_utf8_lossy(&started.stderr).into_owned();
    assert!(!started.status.success() && log.contains("run `knoxide migrate` as the role that owns"), "{log}");

    let program = program.set("DATABASE_URL", &owner);
    program.json(&["migrate"]);
    run_as_owner(&documented_grants(&role.name, &database).replace(&format!("CREATE ROLE {} LOGIN;", role.name), ""));
    let program = program.set("DATABASE_URL", &as_role(&owner, &role.name));

    assert_eq!(program.json(&["migrate"]), json!({ "applied": [] }));
    let server = program.start();
    does_all_its_work(&program, &server);
    assert_eq!(finding(&program, "rights"), ("fine".to_owned(), "enough to serve".to_owned()));
    assert_eq!(program.run(&["doctor"]).code, Some(0));

    let undone = program.run(&["migrate", "down", "--yes"]);
    assert_ne!(undone.code, Some(0));
    assert!(undone.err.contains("as the role that owns the tables"), "{}", undone.err);

    run_as_owner(&format!("REVOKE UPDATE ON sessions FROM {}", role.name));
    assert_eq!(finding(&program, "rights"), ("wrong".to_owned(), "missing: UPDATE on sessions".to_owned()));
}

fn does_all_its_work(program: &Program, server: &Running) {
    let client = &mut server.client();
    let tokens = [client.login("admin", PASSWORD), client.login("admin", PASSWORD)];
    assert_eq!((client.check(&tokens[0]), client.logout(&tokens[0]), client.check(&tokens[0])), (200, 200, 401));
    assert_eq!((client.logout_all(&tokens[1]), client.check(&tokens[1])), (200, 401));
    program.add_user("bob", PASSWORD);
    let token_of_bob = client.login("bob", PASSWORD);
    assert_eq!(client.check(&token_of_bob), 200);
    for command in [
        &["user", "deactivate", "bob"][..],
        &["user", "activate", "bob"],
        &["key", "rotate"],
        &["sweep"],
        &["user", "delete", "bob", "--yes"],
    ] {
        let done = program.run(command);
        assert_eq!(done.code, Some(0), "{command:?}: {}", done.err);
    }
    assert_eq!(client.check(&token_of_bob), 401);
    let users = [json!({ "id": 501, "username": "carol", "password_hash": "!" })];
    let (created, digest) = ("2024-01-02T03:04:05Z", digest(&token(0)));
    let tokens = [json!({ "user": "carol", "digest": digest, "created": created, "expiry": null })];
    let file = json!({ "format": 1, "users": users, "knox_tokens": tokens }).to_string();
    program.json(&["import", &program.write("users.json", &file)]);
    assert_eq!(client.check(&token(0)), 200);
}
