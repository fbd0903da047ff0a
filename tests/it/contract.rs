//! The golden transcripts, each file on a server of its own that holds the fixture's users.

use knoxide::cause::Reason;
use knoxide::import::ImportData;
use knoxide::jwt::Algorithm;
use knoxide::store::AdminStore as _;

use crate::support::app::{App, Backend, Database, Setup, jwt, on_each_database};
use crate::support::fixture;
use crate::support::transcript::Transcript;
use crate::support::transcript::player::{Caching, Player};

on_each_database! {
    fn knox(backend) {
        play("knox", backend);
    }

    fn drf_jwt(backend) {
        play("drf_jwt", backend);
    }

    fn simplejwt(backend) {
        play("simplejwt", backend);
    }

    fn access_token(backend) {
        play("access_token", backend);
    }

    fn djoser(backend) {
        play("djoser", backend);
    }
}

/// Plays all files of a dialect and reports all their differences at once.
fn play(dialect: &str, backend: Backend) {
    let transcripts = Transcript::read_all(&fixture::path("transcripts"), dialect).expect("transcripts");
    let users = std::fs::read_to_string(fixture::users_file()).expect("the fixture");
    let users = ImportData::from_json(&users).expect("users and tokens");
    let mut differences = Vec::new();
    for transcript in &transcripts {
        let variables = fixture::variables();
        let secret = variables.get("jwt-secret").map(String::as_str);
        let setup = Setup { jwt: jwt(Algorithm::Hs256, secret), ..Setup::default() };
        let app = App::on(Database::migrated(backend), setup);
        app.store.import(&users, &app.cause(Reason::Imported)).expect("an import");
        let mut player = Player::new(app.address, Caching::NoStore, variables).directed_by(&app);
        differences.extend(player.play(transcript).err());
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
