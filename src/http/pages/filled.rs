//! Forms as people have filled them in: what they typed stays, and what is wrong stands beside it.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;

use super::words::sentence;
use crate::http::admin::error::ApiError;
use crate::http::admin::fields::Fields;

/// A form as it is shown: what was typed into it, and what is wrong with that.
#[derive(Debug, Clone, Default)]
pub(super) struct Form {
    typed: BTreeMap<String, String>,
    mistakes: BTreeMap<String, String>,
    /// What is wrong with all of it.
    pub(super) problem: Option<String>,
}

impl Form {
    /// As it was sent, before the fields are taken.
    pub(super) fn of(fields: &Fields) -> Self {
        Self { typed: fields.as_sent().into_iter().collect(), ..Self::default() }
    }

    /// The same with what was wrong.
    #[must_use]
    pub(super) fn refused(self, refusal: &ApiError) -> Self {
        let mistakes: BTreeMap<_, _> =
            refusal.fields.iter().map(|(name, problem)| (name.clone(), sentence(problem))).collect();
        let problem = mistakes.is_empty().then(|| sentence(&refusal.message));
        Self { mistakes, problem, ..self }
    }

    /// The text of a field, or an empty one.
    pub(super) fn get(&self, name: &str) -> &str {
        self.typed.get(name).map_or("", String::as_str)
    }

    /// Whether a field has this text.
    pub(super) fn is(&self, name: &str, text: &str) -> bool {
        self.get(name) == text
    }

    /// What is wrong with the fields.
    pub(super) const fn mistakes(&self) -> &BTreeMap<String, String> {
        &self.mistakes
    }

    /// What is wrong with a field.
    pub(super) fn mistake(&self, name: &str) -> Option<&str> {
        self.mistakes.get(name).map(String::as_str)
    }

    /// The path of the same page from the next row on.
    pub(super) fn next(&self, path: &str, cursor: Option<&String>) -> Option<String> {
        let cursor = cursor?;
        Some(format!("{path}?{}", self.query(&[("cursor", cursor)])))
    }

    /// What was typed as a query, with these fields instead of its own of these names.
    pub(super) fn query(&self, instead: &[(&str, &str)]) -> String {
        let is_kept = |name: &String| name != "done" && instead.iter().all(|(other, _)| other != name);
        let kept =
            self.typed.iter().filter(|(name, _)| is_kept(name)).map(|(name, text)| (name.as_str(), text.as_str()));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept).extend_pairs(instead);
        query.finish()
    }

    /// The conditions of a search as a query, without what is about its pages.
    pub(super) fn conditions(&self) -> String {
        let mut form = self.clone();
        form.without(&["cursor", "limit", "ended", "done"]);
        form.query(&[])
    }

    /// Takes fields out.
    pub(super) fn without(&mut self, names: &[&str]) {
        self.typed.retain(|name, _| !names.contains(&name.as_str()));
    }

    /// The fields that were typed, to be sent once more.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.typed.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

/// What a form asks for, or the form again if something in it is wrong.
pub(super) enum Outcome<T> {
    /// What it asks for.
    Done(T),
    /// What is wrong.
    Wrong(ApiError),
}

/// Takes refusals that the reader can mend apart from all others.
///
/// # Errors
/// The others.
pub(super) fn mend<T>(outcome: Result<T, ApiError>) -> Result<Outcome<T>, ApiError> {
    match outcome {
        Ok(done) => Ok(Outcome::Done(done)),
        Err(refusal) if matches!(refusal.status, StatusCode::BAD_REQUEST | StatusCode::CONFLICT) => {
            Ok(Outcome::Wrong(refusal))
        }
        Err(refusal) => Err(refusal),
    }
}
