//! `knoxide import`

use std::io::ErrorKind;
use std::path::Path;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::answer::{Answer, Answered, Code, Failure};
use super::password::why_useless;
use super::{Context, Missing};
use crate::cause::Reason;
use crate::import::ImportData;
use crate::store::diesel::ImportError;
use crate::visible::visible;

/// Takes over users and tokens, all or none.
pub(super) fn run(file: &Path, context: &Context<'_>) -> Answered {
    let data = read(file)?;
    let store = context.open(Missing::Make)?;
    let report = store.import(&data, &context.cause(Reason::Imported)).map_err(failure)?;
    let useless: Vec<(&str, String)> = data
        .users
        .iter()
        .filter_map(|user| why_useless(&user.password).map(|reason| (user.username.as_str(), reason)))
        .collect();
    let mut text = format!("Imported: {} users, {} tokens.", report.users, report.tokens);
    if report.ended > 0 {
        text.push_str(&format!("\n{} tokens belong to users who are not active, and stay dead.", report.ended));
    }
    for (name, other) in &report.lookalikes {
        text.push_str(&format!("\nThe name {} could be taken for {}.", visible(name), visible(other)));
    }
    for (name, reason) in &useless {
        text.push_str(&format!("\n{} cannot log in by password: {reason}.", visible(name)));
    }
    let lookalikes = report.lookalikes.iter().map(|(name, other)| json!([name, other])).collect::<Value>();
    let useless = useless.iter().map(|(name, reason)| json!({ "username": name, "reason": reason })).collect::<Value>();
    let json = json!({ "users": report.users, "tokens": report.tokens, "ended": report.ended,
                       "lookalikes": lookalikes, "unverifiable": useless });
    Ok(Answer::new(text, json))
}

fn read(file: &Path) -> Result<ImportData, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| {
        let code = if error.kind() == ErrorKind::NotFound { Code::NotFound } else { Code::Failed };
        Failure::new(code, format!("{shown} cannot be read: {error}"))
    })?;
    ImportData::from_json(&text).map_err(|error| Failure::new(Code::Failed, format!("{shown}: {error}")))
}

fn failure(error: ImportError) -> Failure {
    match error {
        ImportError::Clashes(clashes) => {
            let lines: Vec<String> = clashes.iter().map(ToString::to_string).collect();
            Failure::new(Code::Refused, format!("nothing was imported:\n  {}", lines.join("\n  ")))
        }
        ImportError::Store(error) => error.into(),
    }
}
