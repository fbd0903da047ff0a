//! The users and tokens for the transcripts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

/// The path of a file under `tests/`.
pub(crate) fn path(below_tests: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(below_tests)
}

/// The file of users and tokens, in the format that `knoxide import` reads.
pub(crate) fn users_file() -> PathBuf {
    path("fixtures/users.json")
}

/// The variables that every transcript may use: each token of the fixture under its label (`{alice-live}`), its stored
/// digest (`{alice-live-digest}`), the secret that the server signs with (`{jwt-secret}`) and one that it does not use
/// (`{jwt-wrong-secret}`).
pub(crate) fn variables() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(users_file()).expect("the fixture can be read");
    let world: Value = serde_json::from_str(&text).expect("the fixture is JSON");
    let mut variables = BTreeMap::new();
    for token in world["knox_tokens"].as_array().expect("a list of tokens") {
        let field = |name: &str| token[name].as_str().expect("a text").to_owned();
        variables.insert(field("label"), field("token"));
        variables.insert(format!("{}-digest", field("label")), field("digest"));
    }
    for (name, field) in [("jwt-secret", "secret"), ("jwt-wrong-secret", "wrong_secret")] {
        variables.insert(name.to_owned(), world["jwt"][field].as_str().expect("a secret").to_owned());
    }
    variables
}
