//! The golden transcripts; each file runs on its own server with the users of the fixture.

use knoxide::domain::audit::Event;
use knoxide::domain::import::ImportData;
use knoxide::domain::jwt::Algorithm;
use knoxide::store::AdminStore as _;

use crate::harness::app::{App, Backend, Database, Setup, jwt, on_each_database};
use crate::harness::fixture;
use crate::harness::transcript::Transcript;
use crate::harness::transcript::player::{Caching, Player};

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
        app.store.import(&users, &app.audit(Event::Imported)).expect("an import");
        let mut player = Player::new(app.address, Caching::NoStore, variables).directed_by(&app).documented();
        differences.extend(player.play(transcript).err());
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
