//! Signing in and out, as far as the pages of administrators and those of users have it in common.

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use askama::Template;

use super::cookie::{self, Cookie};
use super::layout::Layout;
use super::page_set::PageSet;
use super::site::Visit;
use super::words::sentence;
use super::{csrf, problem, reply};
use crate::domain::token::Token;
use crate::domain::user::{LoginName, Password};
use crate::http::admin::error::ApiError;
use crate::http::admin::fields::Fields;
use crate::http::admin::reply::Answer;
use crate::http::middleware::request_log::note;
use crate::service::{Auth, CheckError, LoginError, Unavailable};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    layout: Layout,
    form_token: String,
    username: String,
    next: String,
    /// Why the last attempt was refused.
    problem: Option<String>,
}

/// The form for signing in.
#[derive(Default)]
pub(super) struct SignInForm {
    /// The name that was typed before.
    pub(super) username: String,
    /// The path of the page to continue with.
    pub(super) next: String,
    /// Why the last attempt was refused.
    pub(super) refusal: Option<ApiError>,
    pub(super) notice: Option<&'static str>,
}

impl SignInForm {
    /// Reads the form, and the password in it.
    pub(super) fn read(set: &PageSet, fields: &mut Fields) -> (Self, Password) {
        let username = fields.required_text("username").trim().to_owned();
        let password = fields.required_password("password");
        (Self { username, next: set.next(fields), ..Self::default() }, password)
    }

    /// The form again, if a field is missing.
    pub(super) fn incomplete(self) -> Self {
        self.refused(ApiError::invalid("enter your user name and your password"))
    }

    /// The form again, after a refusal.
    pub(super) fn refused(self, refusal: ApiError) -> Self {
        Self { refusal: Some(refusal), ..self }
    }
}

impl PageSet {
    /// The path of the page to continue with after signing in.
    pub(super) fn next(&self, fields: &mut Fields) -> String {
        let home = self.home();
        fields.text("next").filter(|next| is_below(&home, next)).unwrap_or(home)
    }

    /// Shows the form, unless the user has already signed in.
    ///
    /// # Errors
    /// 503 if the session of the browser could not be looked up.
    pub(super) async fn show_sign_in(&self, request: &HttpRequest, visit: &Visit, form: SignInForm) -> Answer {
        if let Some(token) = cookie::read(request, visit, Cookie::Session) {
            match self.auth().check_for_pages(self.kind(), &token).await {
                Ok(_) => return reply::redirect(&form.next),
                Err(CheckError::Refused(_)) => {}
                Err(CheckError::Unavailable(error)) => return Err(error.into()),
            }
        }
        self.sign_in_form(request, visit, form)
    }

    /// Shows the form.
    ///
    /// # Errors
    /// 503 if there are no random bytes.
    pub(super) fn sign_in_form(&self, request: &HttpRequest, visit: &Visit, form: SignInForm) -> Answer {
        let SignInForm { username, next, refusal, notice } = form;
        let pre_session = PreSession::of(request, visit, self.auth())?;
        let page = SignIn {
            layout: Layout { title: "Sign in".to_owned(), notice, ..self.layout(None) },
            form_token: pre_session.form_token(),
            username,
            next,
            problem: refusal.as_ref().map(|refusal| sentence(&refusal.message)),
        };
        Ok(pre_session.show(visit, problem::begin_form(refusal.as_ref()), &page))
    }

    /// Signs in: the browser gets the token of a new session and continues with the next page. The session that it had
    /// before ends.
    ///
    /// # Errors
    /// 503 if the old session could not be ended.
    pub(super) async fn log_in(
        &self,
        request: &HttpRequest,
        visit: &Visit,
        form: &SignInForm,
        password: Password,
    ) -> Result<Result<HttpResponse, LoginError>, ApiError> {
        let (name, origin) = (LoginName::Username(form.username.clone()), self.state().origin(request));
        let issued = match self.auth().log_in_to_pages(self.kind(), name, password, origin.clone()).await {
            Ok(issued) => issued,
            Err(error) => return Ok(Err(error)),
        };
        note(request, |facts| facts.opened(issued.session, issued.user.id));
        if let Some(old) = cookie::read(request, visit, Cookie::Session) {
            self.auth().log_out_of_pages(&old, origin).await?;
        }
        let mut reply = reply::see_other(&form.next);
        reply.append_header(cookie::set(visit, Cookie::Session, &issued.access.token));
        reply.append_header(cookie::forget(visit, Cookie::SignIn));
        Ok(Ok(reply.finish()))
    }

    /// The reply to signing out.
    pub(super) fn signed_out(&self, visit: &Visit) -> HttpResponse {
        let mut reply = reply::see_other(&format!("{}?done=sign-out", self.sign_in()));
        reply.append_header(cookie::forget(visit, Cookie::Session));
        reply.finish()
    }
}

/// The random value of a cookie, to which forms are bound before anybody has signed in.
pub(super) struct PreSession {
    value: Token,
    is_new: bool,
}

impl PreSession {
    /// The value of the browser, or a new one.
    ///
    /// # Errors
    /// If there are no random bytes.
    pub(super) fn of(request: &HttpRequest, visit: &Visit, auth: &Auth) -> Result<Self, Unavailable> {
        Ok(match cookie::read(request, visit, Cookie::SignIn) {
            Some(value) => Self { value, is_new: false },
            None => Self { value: auth.random_token()?, is_new: true },
        })
    }

    /// The token for the form.
    pub(super) fn form_token(&self) -> String {
        csrf::token_for(&self.value)
    }

    /// The page with the form. A new value is sent as a cookie.
    pub(super) fn show(&self, visit: &Visit, mut builder: HttpResponseBuilder, page: &impl Template) -> HttpResponse {
        if self.is_new {
            builder.append_header(cookie::set(visit, Cookie::SignIn, &self.value));
        }
        reply::page(builder, page)
    }
}

/// The path of the form at `sign_in`, which then leads to `next`, or to `home` if that is not one of the pages.
pub(super) fn path_of_form(sign_in: &str, home: &str, next: &str) -> String {
    if next == home || !is_below(home, next) {
        return sign_in.to_owned();
    }
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    format!("{sign_in}?next={next}")
}

/// Whether a path is one of the pages below `home`, so that a redirect may lead there.
pub(super) fn is_below(home: &str, path: &str) -> bool {
    path.starts_with(home) && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') && path.len() <= 2048
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_our_own_pages_alone() {
        for good in ["/admin/", "/admin/users/?q=a%20b&cursor=7"] {
            assert!(is_below("/admin/", good), "{good}");
        }
        for bad in [
            "",
            "/",
            "//evil.example/",
            "/admin",
            "https://evil.example/admin/",
            "/admin/\r\nSet-Cookie: a=b",
            "/admin/\\",
        ] {
            assert!(!is_below("/admin/", bad), "{bad}");
            assert_eq!(path_of_form("/admin/sign-in/", "/admin/", bad), "/admin/sign-in/", "{bad}");
        }
    }
}
