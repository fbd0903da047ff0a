//! The golden transcripts, each file on a server of its own that holds the fixture's users.

use knoxide::cause::Reason;
use knoxide::import::ImportData;

use crate::support::app::{App, Backend, on_each_database};
use crate::support::fixture;
use crate::support::transcript::Transcript;
use crate::support::transcript::player::{Caching, Player};

on_each_database! {
    fn knox(backend) {
        play("knox", backend);
    }
}

/// Plays all files of a folder and reports all their differences at once.
fn play(folder: &str, backend: Backend) {
    let transcripts = Transcript::read_all(&fixture::path(&format!("transcripts/{folder}"))).expect("transcripts");
    let users = std::fs::read_to_string(fixture::users_file()).expect("the fixture");
    let users = ImportData::from_json(&users).expect("users and tokens");
    let mut differences = Vec::new();
    for transcript in &transcripts {
        let app = App::start(backend);
        app.store.import(&users, &app.cause(Reason::Imported)).expect("an import");
        let mut player = Player::new(app.address, Caching::NoStore, fixture::variables());
        differences.extend(player.play(transcript).err());
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
