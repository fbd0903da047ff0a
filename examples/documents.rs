//! Writes the documents that are generated from code: `cargo run --example documents`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::write(root.join(".env.example"), knoxide::config::env_example())?;
    std::fs::write(root.join("docs/configuration.md"), knoxide::config::markdown())?;
    std::fs::write(root.join("docs/command-line.md"), knoxide::cli::markdown())
}
