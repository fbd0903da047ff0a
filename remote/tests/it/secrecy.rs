//! Tokens and the secret are never shown.

use knoxide_remote::{Guard, Remote, TokenAuth};

use crate::server::{ID, SECRET, Server};

#[test]
fn debug_output_hides_secret_and_token() {
    let server = Server::start();
    let builder = server.builder();
    let remote = server.remote();
    let check = remote.check("a-token-of-somebody");
    let guard = Guard::new(remote.clone());
    let shown = format!("{builder:?} {remote:?} {check:?} {guard:?} {:?}", TokenAuth::new(remote.clone()));
    assert!(!shown.contains(SECRET) && !shown.contains("somebody"), "{shown}");
}

#[test]
fn no_error_of_a_setting_repeats_it() {
    let secret = "kxc not-a-secret";
    for builder in [
        Remote::unix("/run/knoxide.sock", ID, secret),
        Remote::unix("/run/knoxide.sock", secret, SECRET),
        Remote::unix("/run/knoxide.sock", ID, ""),
        Remote::at("http://id:not-a-secret@127.0.0.1/", ID, SECRET),
        Remote::at("http://not-a-secret/", ID, SECRET),
    ] {
        let error = builder.build().expect_err("a refusal");
        assert!(!format!("{error} {error:?}").contains("not-a-secret"), "{error}");
    }
}
