//! `knoxide import`

use std::io::ErrorKind;
use std::path::Path;

use zeroize::Zeroizing;

use super::answer::{Answer, Answered, Code, Failure, to_json};
use super::{Context, Missing};
use crate::domain::escape::visible;
use crate::domain::import::ImportData;

/// Imports users and tokens, all or none.
pub(super) fn run(file: &Path, context: &Context<'_>) -> Answered {
    let data = read(file)?;
    let imported = context.admin(Missing::Make)?.import(&data)?;
    let report = &imported.report;
    let mut text = format!("Imported: {} users, {} tokens.", report.users, report.tokens);
    if report.ended > 0 {
        text.push_str(&format!("\n{} tokens belong to users who are not active, and stay refused.", report.ended));
    }
    for (name, other) in &report.lookalikes {
        text.push_str(&format!("\nThe name {} looks like {}.", visible(name), visible(other)));
    }
    for user in &imported.unverifiable {
        text.push_str(&format!("\n{} cannot log in by password: {}.", visible(&user.username), user.reason));
    }
    Ok(Answer::new(text, to_json(&imported)?))
}

fn read(file: &Path) -> Result<ImportData, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| {
        let code = if error.kind() == ErrorKind::NotFound { Code::NotFound } else { Code::Failed };
        Failure::new(code, format!("{shown} cannot be read: {error}"))
    })?;
    ImportData::from_json(&text).map_err(|error| Failure::new(Code::Failed, format!("{shown}: {error}")))
}
