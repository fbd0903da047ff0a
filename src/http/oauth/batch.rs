//! `POST /check/`: whose many tokens are, in one request. The caller is judged before the body is read.

use std::fmt;

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::caller::Caller;
use super::credentials::Credentials;
use super::refusal::Refusal;
use super::{Call, describe, reply};
use crate::domain::client::Right;
use crate::domain::token::Token;
use crate::http::drf::body::{self, Limits, declared_length};
use crate::http::drf::media::joined;
use crate::http::middleware::request_log::{Facts, note};
use crate::service::Activity;

/// How many tokens a request may have.
pub(super) const MOST_TOKENS: usize = 1_000;

/// The largest body, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;

const JSON: &str = "application/json";

/// The body of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    tokens: Tokens,
    /// Whether the checks count as use of the sessions.
    #[serde(default)]
    counts_as_use: bool,
}

/// The tokens, in their order; `None` for a text that cannot be one.
struct Tokens(Vec<Option<Token>>);

pub(super) async fn answer(mut call: Call<'_>) -> Result<HttpResponse, Refusal> {
    note(call.request, Facts::read_only);
    let credentials = Credentials::of_header(call.request.headers())?;
    Caller::authenticate(&call, credentials, Right::Batch).await?;
    let body = read(&mut call).await?;
    // The error would repeat what was sent.
    let Ok(Question { tokens, counts_as_use }) = serde_json::from_slice(&body) else {
        let words =
            "the body has to be an object with tokens, a list of at most 1,000 texts, and perhaps counts_as_use";
        return Err(Refusal::invalid_request(words));
    };
    let activity = if counts_as_use { Activity::Counts } else { Activity::Ignored };
    let outcomes = call.state.auth().check_many(tokens.0, activity).await?;
    let dialects = &call.state.options().dialects;
    let mut body = Vec::with_capacity(outcomes.len() * describe::USUAL_LENGTH);
    body.extend_from_slice(b"{\"results\":[");
    for (place, outcome) in outcomes.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        describe::write(&mut body, outcome, dialects);
    }
    body.extend_from_slice(b"]}");
    Ok(reply(body))
}

async fn read(call: &mut Call<'_>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let headers = call.request.headers();
    let content_type = joined(headers, &CONTENT_TYPE).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case(JSON) {
        return Err(Refusal::unsupported_media_type("the body has to be application/json"));
    }
    let declared = declared_length(headers);
    let limits = Limits { size: BODY_LIMIT, patience: call.state.options().read_timeout };
    // The sender is known: the buffer has the declared length at once.
    let capacity = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(BODY_LIMIT);
    Ok(body::read_bytes(capacity, &content_type, declared, &mut call.payload, limits).await?)
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(TokensVisitor)
    }
}

struct TokensVisitor;

impl<'de> Visitor<'de> for TokensVisitor {
    type Value = Tokens;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MOST_TOKENS} texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tokens, A::Error> {
        let mut tokens = Vec::new();
        while let Some(Presented(token)) = list.next_element()? {
            if tokens.len() == MOST_TOKENS {
                return Err(A::Error::custom("too many tokens"));
            }
            tokens.push(token);
        }
        Ok(Tokens(tokens))
    }
}

/// A text that may be a token. It is copied once, into a token.
struct Presented(Option<Token>);

impl<'de> Deserialize<'de> for Presented {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PresentedVisitor;

        impl Visitor<'_> for PresentedVisitor {
            type Value = Presented;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Presented, E> {
                Ok(Presented(Token::parse(text.as_bytes())))
            }
        }
        deserializer.deserialize_str(PresentedVisitor)
    }
}
