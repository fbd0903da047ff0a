//! Registered clients that are changed manually: a client that is no longer good is refused at the very next request.

use knoxide::domain::audit::Origin;
use knoxide::domain::client::{ClientId, ClientSecret, Right, Rights};
use knoxide::service::admin::AddedClient;
use knoxide::service::{Client, ClientError};

use super::ways::{both, postgres, sqlite};
use super::*;

/// The statements. In braces: the client's id and name, and those of another one.
const ALL: &[Way] = &[
    both("DELETE FROM clients WHERE id = {client}"),
    both("BEGIN; DELETE FROM clients WHERE id = {client}; COMMIT"),
    both("DELETE FROM clients"),
    both("UPDATE clients SET rights = '' WHERE id = {client}"),
    both("UPDATE clients SET rights = 'batch,revoke' WHERE id = {client}"),
    both("UPDATE clients SET request_limit = 0 WHERE id = {client}"),
    both("UPDATE clients SET last_used = 1, request_limit = 0 WHERE id = {client}"),
    both(
        "UPDATE clients SET old_secret = secret, old_secret_until = 1, \
         secret = (SELECT o.secret FROM clients o WHERE o.id = {other_client}) WHERE id = {client}",
    ),
    both(
        "INSERT INTO clients SELECT * FROM clients WHERE id = {client} ON CONFLICT (id) DO UPDATE SET rights = 'batch'",
    ),
    both("BEGIN; DELETE FROM clients WHERE id = {client}; DELETE FROM revocation_log; COMMIT"),
    sqlite("UPDATE clients SET secret = zeroblob(64) WHERE id = {client}"),
    sqlite("UPDATE clients SET id = randomblob(16) WHERE id = {client}"),
    sqlite(
        "REPLACE INTO clients (id, name, secret, rights, created) \
         SELECT id, name, zeroblob(64), rights, created FROM clients WHERE id = {client}",
    ),
    sqlite(
        "REPLACE INTO clients (id, name, secret, rights, created) \
         SELECT randomblob(16), name, zeroblob(64), rights, created FROM clients WHERE id = {client}",
    ),
    sqlite("UPDATE OR REPLACE clients SET id = {client} WHERE id = {other_client}"),
    sqlite("UPDATE OR REPLACE clients SET name = '{name}' WHERE id = {other_client}"),
    sqlite(
        "BEGIN; DROP TRIGGER clients_removed; DELETE FROM clients WHERE id = {client}; \
         CREATE TRIGGER clients_removed AFTER DELETE ON clients \
         BEGIN INSERT INTO revocation_log (user_id, session_id) VALUES (NULL, NULL); END; COMMIT",
    ),
    postgres("UPDATE clients SET secret = sha512(secret) WHERE id = {client}"),
    postgres("UPDATE clients SET id = substring(sha256(id) FROM 1 FOR 16) WHERE id = {client}"),
    postgres("TRUNCATE clients"),
    postgres(
        "SET session_replication_role = replica; DELETE FROM clients WHERE id = {client}; \
         RESET session_replication_role",
    ),
    postgres(
        "CREATE TEMPORARY TABLE revocation_log (user_id BIGINT, session_id BYTEA); \
         DELETE FROM clients WHERE id = {client}; DROP TABLE pg_temp.revocation_log",
    ),
    postgres(
        "DO $$ BEGIN IF current_setting('server_version_num')::integer >= 150000 THEN EXECUTE $m$MERGE INTO clients c \
         USING (SELECT 1) o ON c.id = {client} WHEN MATCHED THEN DELETE$m$; ELSE \
         DELETE FROM clients WHERE id = {client}; END IF; END $$",
    ),
];

/// Asks the server's own service, on one thread.
struct Asking<'a> {
    scene: &'a Scene,
    runtime: actix_web::rt::SystemRunner,
}

impl Asking<'_> {
    fn ask(&self, id: ClientId, secret: &ClientSecret) -> Result<Client, ClientError> {
        let (id, origin) = (id.to_string(), Origin::default());
        self.runtime.block_on(self.scene.app.auth.client(&id, secret, Right::Introspect, &origin))
    }

    /// A new client, which the service remembers.
    fn add(&self, name: &str) -> AddedClient {
        let added = self.scene.app.admin().add_client(name.to_owned(), Rights::USUAL, None).expect("a client");
        for _ in 0..2 {
            assert!(self.ask(added.id, &added.secret).is_ok());
        }
        added
    }
}

on_each_database! {
    fn a_client_that_is_changed_by_hand_is_refused_at_once(backend) {
        let scene = Scene::start(backend);
        let mut shell = Shell::open(&scene.app.database);
        let asking = Asking { scene: &scene, runtime: actix_web::rt::System::new() };
        let mut let_in = Vec::new();
        for (number, Way { sql, .. }) in ALL.iter().filter(|way| way.works_on(backend)).enumerate() {
            let name = format!("client {number}");
            let (client, other) = (asking.add(&name), asking.add(&format!("other {number}")));
            let literal = |id: ClientId| shell.literal(&hex::encode(id.as_bytes()));
            let statements = sql.replace("{client}", &literal(client.id)).replace("{name}", &name);
            let statements = statements.replace("{other_client}", &literal(other.id));
            shell.run(&statements);
            match asking.ask(client.id, &client.secret) {
                Ok(_) => let_in.push(*sql),
                Err(ClientError::Unavailable(error)) => panic!("{sql}: {error}"),
                Err(ClientError::Unknown | ClientError::Forbidden | ClientError::TooManyRequests { .. }) => {}
            }
        }
        assert!(let_in.is_empty(), "{let_in:#?}");
    }
}

/// Nothing is remembered while a trigger is missing, so that even changes that are not logged take effect at once.
#[test]
fn while_a_trigger_is_missing_every_request_reads() {
    let scene = Scene::start(Backend::Sqlite);
    let mut shell = Shell::open(&scene.app.database);
    let asking = Asking { scene: &scene, runtime: actix_web::rt::System::new() };
    shell.run("DROP TRIGGER clients_removed");
    let client = asking.add("shop");
    shell.run("DELETE FROM clients");
    assert_eq!(asking.ask(client.id, &client.secret).err(), Some(ClientError::Unknown));
}
