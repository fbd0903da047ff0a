//! Sessions of the pages. Their tokens have a kind of their own: they are good only as the cookie of the pages that
//! they were made for, and no other token is good as that cookie.

use super::LoginError;
use crate::domain::audit::{Event, Origin};
use crate::domain::session::{Refusal, SessionKind, Verified};
use crate::domain::token::{Token, TokenKind};
use crate::domain::user::{LoginName, Password};
use crate::service::throttle::Permit;
use crate::service::{Auth, CheckError, Issued, Unavailable};

/// Which pages a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// Those of administrators.
    Admin,
    /// Those where users see their own accounts.
    Account,
}

impl Pages {
    const fn kind(self) -> SessionKind {
        match self {
            Self::Admin => SessionKind::AdminPage,
            Self::Account => SessionKind::AccountPage,
        }
    }
}

impl Auth {
    /// Opens a session for pages. It ends after 15 minutes without use, and after 8 hours.
    ///
    /// Users who are not administrators are unknown at the pages of administrators.
    ///
    /// # Errors
    /// As of every login.
    pub async fn log_in_to_pages(
        &self,
        pages: Pages,
        login: LoginName,
        password: Password,
        origin: Origin,
    ) -> Result<Issued, LoginError> {
        let kind = pages.kind();
        match pages {
            Pages::Admin => self.log_in_as_administrator(kind, login, password, origin).await,
            Pages::Account => {
                let name = login.clone();
                let verify = async |permit: &mut Permit| match self.inner.provider.clone() {
                    Some(provider) => self.verify_externally(provider, login, password, (&origin, permit)).await,
                    None => self.verify_login(login, password, permit).await,
                };
                let proven = match self.under_throttle(&name, &origin, verify).await {
                    Ok((proven, _)) => proven,
                    Err(error) => return Err(self.tell_refusal(Event::LoginFailed, error, origin).await),
                };
                self.open_attended(kind, proven, origin).await.map_err(LoginError::from)
            }
        }
    }

    /// Checks the cookie of a page, by the row of its token: the answer reflects every revocation that was acknowledged
    /// before this call. A good one counts as use of the session.
    ///
    /// # Errors
    /// Why the token is bad, or that the check could not be made.
    pub async fn check_for_pages(&self, pages: Pages, token: &Token) -> Result<Verified, CheckError> {
        let who = self.check_for_any_page(token).await?;
        let kind = pages.kind();
        if who.session.kind != kind || kind.is_for_administration() && !who.user.is_admin {
            return Err(CheckError::Refused(Refusal::WrongKind));
        }
        self.inner.last_seen_writer.touch(&who.session, self.now());
        Ok(who)
    }

    /// Ends the session of a cookie of either kind of pages. A cookie without a session is not an error.
    ///
    /// # Errors
    /// When the outcome is unknown.
    pub async fn log_out_of_pages(&self, token: &Token, origin: Origin) -> Result<(), Unavailable> {
        match self.check_for_any_page(token).await {
            Ok(who) => self.logout(&who, origin).await,
            Err(CheckError::Refused(_)) => Ok(()),
            Err(CheckError::Unavailable(error)) => Err(error),
        }
    }

    /// A random value for the form of a page before sign-in. It opens nothing.
    ///
    /// # Errors
    /// No random bytes.
    pub fn random_token(&self) -> Result<Token, Unavailable> {
        Ok(Token::generate(&*self.inner.random, "")?)
    }

    async fn check_for_any_page(&self, token: &Token) -> Result<Verified, CheckError> {
        let record = self.reread(token).await?;
        let Some(record) = record else { return Err(CheckError::Refused(Refusal::Unknown)) };
        self.judge_by_row(&record, TokenKind::Page).await
    }
}
