//! Forms: reading them, and showing them again with what was typed and what is wrong with it.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;

use super::words::sentence;
use crate::http::HttpOptions;
use crate::http::admin::error::ApiError;
use crate::http::admin::fields::{Fields, read_body};
use crate::http::drf::body::declared_length;
use crate::http::drf::media::{covers, joined};

/// The fields of a body, which has to be a form.
///
/// # Errors
/// If the body is too large, too slow, or not a form.
pub(super) async fn read(request: &HttpRequest, payload: Payload, options: &HttpOptions) -> Result<Fields, ApiError> {
    let headers = request.headers();
    let body = read_body(declared_length(headers), payload, options).await?;
    let content_type = joined(headers, &CONTENT_TYPE).unwrap_or_default();
    if !covers(&content_type, "application", "x-www-form-urlencoded") {
        return Err(ApiError::invalid("the body is not a form"));
    }
    Ok(Fields::of_form(&body))
}

/// A form as a page shows it: what was typed, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Form {
    typed: BTreeMap<String, String>,
    mistakes: BTreeMap<String, String>,
    /// What is wrong with the form as a whole.
    pub(super) problem: Option<String>,
}

impl Form {
    /// The form as it was sent. Call this before the fields are taken.
    pub(super) fn of(fields: &Fields) -> Self {
        Self { typed: fields.as_sent().into_iter().collect(), ..Self::default() }
    }

    /// The same form with the mistakes of a refusal.
    #[must_use]
    pub(super) fn refused(self, refusal: &ApiError) -> Self {
        let mistakes: BTreeMap<_, _> =
            refusal.fields.iter().map(|(name, problem)| (name.clone(), sentence(problem))).collect();
        let problem = mistakes.is_empty().then(|| sentence(&refusal.message));
        Self { mistakes, problem, ..self }
    }

    /// The form and the outcome that it leads to. A refusal that the reader can correct is shown in the form, with an empty
    /// outcome.
    ///
    /// # Errors
    /// All other refusals.
    pub(super) fn accept<T: Default>(self, outcome: Result<T, ApiError>) -> Result<(Self, T), ApiError> {
        Ok(match split_refusals(outcome)? {
            Ok(value) => (self, value),
            Err(refusal) => (self.refused(&refusal), T::default()),
        })
    }

    /// The text of a field, empty if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.typed.get(name).map_or("", String::as_str)
    }

    /// Whether a field has this text.
    pub(super) fn is(&self, name: &str, text: &str) -> bool {
        self.get(name) == text
    }

    /// The mistakes, by field.
    pub(super) const fn mistakes(&self) -> &BTreeMap<String, String> {
        &self.mistakes
    }

    /// The mistake in a field.
    pub(super) fn mistake(&self, name: &str) -> Option<&str> {
        self.mistakes.get(name).map(String::as_str)
    }

    /// The path of the next page of the same list.
    pub(super) fn next(&self, path: &str, cursor: Option<&String>) -> Option<String> {
        let cursor = cursor?;
        Some(format!("{path}?{}", self.query(&[("cursor", cursor)])))
    }

    /// What was typed, as a query in which these fields replace those of the same names.
    pub(super) fn query(&self, instead: &[(&str, &str)]) -> String {
        let is_kept = |name: &String| name != "done" && instead.iter().all(|(other, _)| other != name);
        let kept =
            self.typed.iter().filter(|(name, _)| is_kept(name)).map(|(name, text)| (name.as_str(), text.as_str()));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept).extend_pairs(instead);
        query.finish()
    }

    /// The conditions of a search as a query, without the fields that select its pages.
    pub(super) fn conditions(&self) -> String {
        let mut form = self.clone();
        form.without(&["cursor", "limit", "ended", "done"]);
        form.query(&[])
    }

    /// Removes fields.
    pub(super) fn without(&mut self, names: &[&str]) {
        self.typed.retain(|name, _| !names.contains(&name.as_str()));
    }

    /// The fields that were typed, to be sent again.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.typed.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

/// Separates refusals that the reader can correct in the form from all others.
///
/// # Errors
/// All others.
pub(super) fn split_refusals<T>(outcome: Result<T, ApiError>) -> Result<Result<T, ApiError>, ApiError> {
    match outcome {
        Err(refusal) if !matches!(refusal.status, StatusCode::BAD_REQUEST | StatusCode::CONFLICT) => Err(refusal),
        outcome => Ok(outcome),
    }
}
