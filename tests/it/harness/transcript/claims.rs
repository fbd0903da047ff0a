//! The token that a reply must contain: signed by the server, and with certain claims.

use serde_json::{Map, Value};

use super::notation::{Inner, Pattern, Variables, known};
use crate::harness::jwt;

/// The variable with the secret that the server signs with.
pub(crate) const SECRET: &str = "jwt-secret";

/// `<jwt>`, `<new jwt as mine of {…}>`: a token with the signature that the Django packages use.
#[derive(Debug, Clone)]
pub(crate) struct JwtShape {
    /// It must differ from all tokens that already have a name.
    is_new: bool,
    /// Stored under this name, and each claim under the name and its own: `{mine-exp}`.
    name: Option<String>,
    claims: Option<Claims>,
}

#[derive(Debug, Clone)]
struct Claims {
    /// No other claims are allowed.
    all: bool,
    /// JSON after its variables are replaced; a string in it is a pattern.
    text: Inner,
}

impl JwtShape {
    /// Parses the text in the angle brackets; `None` if that is ordinary text.
    pub(crate) fn read(inside: &str) -> Result<Option<Self>, String> {
        let (is_new, rest) = inside.strip_prefix("new ").map_or((false, inside), |rest| (true, rest));
        let Some(mut rest) = rest.strip_prefix("jwt").filter(|rest| rest.is_empty() || rest.starts_with(' ')) else {
            return Ok(None);
        };
        let mut shape = Self { is_new, name: None, claims: None };
        if let Some(named) = rest.strip_prefix(" as ") {
            let (name, after) = named.split_at(named.find(' ').unwrap_or(named.len()));
            shape.name = Some(name.to_owned());
            rest = after;
        }
        let claims = [(" of ", true), (" with ", false)];
        if let Some((text, all)) = claims.iter().find_map(|(word, all)| Some((rest.strip_prefix(word)?, *all))) {
            let text = Inner::parse(text)?;
            let claims = serde_json::from_str::<Map<String, Value>>(&text.with_zeros());
            claims.map_err(|error| format!("<{inside}>: {error}"))?;
            shape.claims = Some(Claims { all, text });
            rest = "";
        }
        if rest.is_empty() { Ok(Some(shape)) } else { Err(format!("<{inside}>: what is {rest:?}?")) }
    }

    /// How many bytes at the start of a text can belong to a token.
    pub(crate) fn length(text: &[u8]) -> usize {
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        text.iter().take_while(is_part).count()
    }

    /// The values to store for a token, or what is wrong with it.
    pub(crate) fn judge(&self, token: &str, variables: &Variables) -> Result<Vec<(String, String)>, String> {
        let wrong = |why: String| format!("the token {token:?}: {why}");
        let (header, payload) = jwt::open(known(SECRET, variables)?.as_bytes(), token).map_err(wrong)?;
        if header != serde_json::from_str::<Value>(jwt::HEADER).map_err(|error| error.to_string())? {
            return Err(wrong(format!("its header is {header}")));
        }
        let payload = payload.as_object().ok_or_else(|| wrong(format!("its payload is {payload}")))?;
        if let Some(claims) = &self.claims {
            claims.judge(payload, variables).map_err(wrong)?;
        }
        let twin = variables.iter().find(|(_, value)| self.is_new && *value == token);
        if let Some((name, _)) = twin {
            return Err(wrong(format!("it is {{{name}}} again")));
        }
        Ok(self.name.as_ref().map_or_else(Vec::new, |name| kept(name, token, payload)))
    }
}

impl Claims {
    fn judge(&self, payload: &Map<String, Value>, variables: &Variables) -> Result<(), String> {
        let text = self.text.fill(variables)?;
        let expected: Map<String, Value> = serde_json::from_str(&text).map_err(|error| format!("{text}: {error}"))?;
        for (claim, expected) in &expected {
            let got = payload.get(claim).ok_or_else(|| format!("it has no {claim}"))?;
            let fits = match (expected, got) {
                (Value::String(pattern), Value::String(text)) => {
                    Pattern::parse(pattern)?.fits(text.as_bytes(), &mut variables.clone())?
                }
                _ => expected == got,
            };
            if !fits {
                return Err(format!("its {claim} is {got}, expected {expected}"));
            }
        }
        match payload.keys().find(|claim| self.all && !expected.contains_key(*claim)) {
            Some(claim) => Err(format!("it has a {claim}")),
            None => Ok(()),
        }
    }
}

/// The token under its name, and each claim under that name and its own: `{mine-orig-iat}`.
fn kept(name: &str, token: &str, payload: &Map<String, Value>) -> Vec<(String, String)> {
    let claims = payload.iter().map(|(claim, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (format!("{name}-{}", claim.replace('_', "-")), text)
    });
    std::iter::once((name.to_owned(), token.to_owned())).chain(claims).collect()
}
