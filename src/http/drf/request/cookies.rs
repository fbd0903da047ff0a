//! Tokens in cookies, at the endpoints that hand out, take and end them (`docs/browsers.md`).

use actix_web::HttpResponse;

use super::RequestContext;
use crate::domain::session::Verified;
use crate::domain::token::Token;
use crate::http::browser::credentials::Found;
use crate::http::browser::jar::{Jar, NewTokens, Slot};
use crate::http::browser::site::Site;
use crate::http::drf::body::value::Value;
use crate::http::drf::endpoint::EndpointResult;
use crate::http::drf::fields::{self, Field, Trim};
use crate::service::{Issued, RefreshedTokens};

/// How new tokens reach the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// In the body of the reply.
    Body,
    /// In cookies, which no script can read. The body has `null` in their place.
    Cookies,
}

impl<'a> From<&'a Issued> for NewTokens<'a> {
    fn from(issued: &'a Issued) -> Self {
        Self { access: &issued.access, refresh: issued.refresh.as_ref(), at: issued.opened }
    }
}

impl<'a> From<&'a RefreshedTokens> for NewTokens<'a> {
    fn from(refreshed: &'a RefreshedTokens) -> Self {
        Self { access: &refreshed.access, refresh: refreshed.refresh.as_ref(), at: refreshed.at }
    }
}

impl RequestContext<'_> {
    /// The text of a new token for the body of the reply; `None` if a cookie has it.
    pub fn in_body<'t>(&self, token: &'t Token) -> Option<&'t str> {
        match self.delivery {
            Delivery::Body => Some(token.expose()),
            Delivery::Cookies => None,
        }
    }

    /// Adds the cookies with new tokens to the reply, unless they are in its body.
    pub(in crate::http) fn hand_over<'t>(
        &self,
        tokens: impl Into<NewTokens<'t>>,
        mut reply: HttpResponse,
    ) -> HttpResponse {
        if let (Delivery::Cookies, Some(jar)) = (self.delivery, self.state.jar()) {
            jar.put(&mut reply, self.dialect, tokens.into());
        }
        reply
    }

    /// Clears the cookies of a session that this request ended, if its token was in one of them.
    pub(in crate::http) fn forget(&self, ended: &Verified, mut reply: HttpResponse) -> HttpResponse {
        if let (Some(jar), Some(dialect)) = (self.state.jar(), ended.session.kind.dialect())
            && (self.delivery == Delivery::Cookies || matches!(jar.cookies().access(self.request), Found::Cookie(..)))
        {
            jar.clear(&mut reply, dialect);
        }
        reply
    }

    /// The cookies of this dialect, if its tokens are in cookies.
    fn jar(&self) -> Option<&Jar> {
        self.state.jar().filter(|jar| jar.keeps(self.dialect))
    }

    /// What happens before a login is read: where it sets cookies, no other site may have made the browser send it,
    /// since that would plant a session of somebody else. Programs that are no browsers say nothing of sites.
    pub(super) fn begin_login(&mut self) -> EndpointResult<()> {
        let Some(jar) = self.jar() else { return Ok(()) };
        if Site::of(self.request.headers(), jar.cookies().origins()) == Site::Foreign {
            self.note(|facts| facts.refused("login_of_another_site"));
            return Err(self.replies().cross_site());
        }
        self.delivery = Delivery::Cookies;
        Ok(())
    }

    /// The token in the field `name`, or else in the cookie. New tokens go the way that this one came.
    pub(super) async fn presented(&mut self, name: &'static str, slot: Slot) -> EndpointResult<String> {
        let document = self.document().await?;
        let found = match self.jar() {
            Some(jar) => jar.cookies().named(self.request, self.dialect, &jar.cookie(self.dialect, slot)),
            None => Found::NoCookie,
        };
        // A login answers `null` here, which a client may send back as it got it.
        let is_given = document.get(name).is_some_and(|value| *value != Value::Null);
        match found {
            Found::NoCookie => {
                let [token] = self.right(fields::take(&document, [Field::text(name, Trim::Yes)]))?;
                Ok(token)
            }
            Found::Cookie(_, value) if !is_given => {
                let [] = self.right(fields::take(&document, []))?;
                self.delivery = Delivery::Cookies;
                Ok(String::from_utf8_lossy(value).into_owned())
            }
            Found::ForeignCookie if !is_given => {
                self.note(|facts| facts.refused("cookie_of_another_site"));
                Err(self.replies().cross_site())
            }
            Found::Cookie(..) | Found::ForeignCookie | Found::Several => {
                self.note(|facts| facts.refused("several_tokens"));
                Err(self.replies().several_tokens())
            }
        }
    }
}
