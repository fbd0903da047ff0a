//! The parameters of a request, form-encoded in its body (RFC 6749, appendix B).

use actix_web::http::header::CONTENT_TYPE;

use super::Call;
use super::refusal::Refusal;
use crate::http::drf::body::value::{Document, Text, Value};
use crate::http::drf::body::{self, Limits, declared_length};
use crate::http::drf::media::joined;

pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// The parameters, each once.
pub(super) struct Form(Vec<(Text, Value)>);

impl Form {
    /// Reads the body.
    ///
    /// # Errors
    /// 400 if a parameter occurs twice (RFC 6749, section 3.1), 415 if the body is no form, 413 and 408 if it is too
    /// large or too slow.
    pub(super) async fn read(call: &mut Call<'_>) -> Result<Self, Refusal> {
        let headers = call.request.headers();
        let content_type = joined(headers, &CONTENT_TYPE).unwrap_or_default();
        let declared = declared_length(headers);
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case(FORM) && !content_type.is_empty() {
            return Err(Refusal::unsupported_media_type("the body has to be application/x-www-form-urlencoded"));
        }
        let options = call.state.options();
        let limits = Limits { size: options.body_limit, patience: options.read_timeout };
        let fields = match body::read(&content_type, declared, &mut call.payload, limits).await? {
            Document::Object(fields) => fields,
            Document::NotObject(_) => Vec::new(),
        };
        let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(Refusal::invalid_request("a parameter occurs more than once"));
        }
        Ok(Self(fields))
    }

    /// The value of a parameter. An empty one counts as absent (RFC 6749, section 3.1).
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known.as_str() == name)?;
        match value {
            Value::Text(text) => Some(text.as_str()).filter(|text| !text.is_empty()),
            Value::Null | Value::Bool(_) | Value::Other => None,
        }
    }

    /// The token that the request is about.
    ///
    /// # Errors
    /// 400 if there is none.
    pub(super) fn token(&self) -> Result<&str, Refusal> {
        self.get("token").ok_or(Refusal::invalid_request("the parameter token is missing"))
    }
}
