//! The style sheet and the icon. Their names change with their contents, so browsers may cache them for ever.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest as _, Sha256};

use super::reply;

const STYLE: &str = include_str!("assets/pages.css");
const ICON: &str = include_str!("assets/icon.svg");

/// The paths of the assets.
#[derive(Debug, Clone)]
pub(super) struct Assets {
    pub(super) style: String,
    pub(super) icon: String,
}

impl Assets {
    /// Assets below this path, which ends with a slash.
    pub(super) fn below(path: &str) -> Self {
        let named = |stem: &str, text: &str, ending: &str| {
            let digest = hex::encode(Sha256::digest(text.as_bytes()));
            format!("{path}{stem}-{}.{ending}", digest.get(..16).unwrap_or_default())
        };
        Self { style: named("pages", STYLE, "css"), icon: named("icon", ICON, "svg") }
    }

    /// The asset at this path.
    pub(super) fn at(&self, path: &str) -> Option<HttpResponse> {
        let (media, text) = match path {
            path if path == self.style => ("text/css; charset=utf-8", STYLE),
            path if path == self.icon => ("image/svg+xml", ICON),
            _ => return None,
        };
        let mut builder = reply::begin(StatusCode::OK);
        builder.insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"));
        builder.insert_header((CONTENT_TYPE, media));
        Some(builder.body(text))
    }
}
