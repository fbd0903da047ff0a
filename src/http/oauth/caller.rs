//! Who asks: a registered client with the right for it, or an administrator's script.

use super::Call;
use super::credentials::Credentials;
use super::refusal::Refusal;
use crate::domain::audit::Actor;
use crate::domain::client::Right;
use crate::domain::session::Verified;
use crate::http::middleware::request_log::note;
use crate::service::{CallRefusal, CheckError, Client, ClientError};

/// Who asks, after the proof.
#[derive(Debug)]
pub(super) enum Caller {
    Client(Client),
    Administrator(Box<Verified>),
}

impl Caller {
    /// Judges the credentials of a request that needs this right, and counts it.
    ///
    /// # Errors
    /// 401 without good credentials, 403 for a client without the right, 429 beyond its limit, 503 if that could not be
    /// found out.
    pub(super) async fn authenticate(call: &Call<'_>, credentials: Credentials, right: Right) -> Result<Self, Refusal> {
        let auth = call.state.auth();
        let origin = call.state.origin(call.request);
        match credentials {
            Credentials::None => {
                auth.count_refused_call(CallRefusal::NoCredentials, &origin);
                Err(Refusal::invalid_client("client credentials are required"))
            }
            Credentials::Administrator(token) => match auth.check_admin_script(&token).await {
                Ok(who) => {
                    auth.count_call_of_admin(who.user.id, right);
                    note(call.request, |facts| facts.verified(&who));
                    Ok(Self::Administrator(Box::new(who)))
                }
                Err(CheckError::Refused(_)) => {
                    auth.count_refused_call(CallRefusal::NotAdmin, &origin);
                    Err(Refusal::invalid_token())
                }
                Err(CheckError::Unavailable(error)) => Err(error.into()),
            },
            Credentials::Client { id, secret } => match auth.client(&id, &secret, right, &origin).await {
                Ok(client) => {
                    note(call.request, |facts| facts.of_client(client.id()));
                    Ok(Self::Client(client))
                }
                Err(ClientError::Unknown) => Err(Refusal::invalid_client("the client or its secret is wrong")),
                Err(ClientError::Forbidden) => Err(Refusal::unauthorized_client()),
                Err(ClientError::TooManyRequests { retry_after }) => Err(Refusal::too_many_requests(retry_after)),
                Err(ClientError::Unavailable(error)) => Err(error.into()),
            },
        }
    }

    /// Who it is, for the audit trail.
    pub(super) fn actor(&self) -> Actor {
        match self {
            Self::Client(client) => Actor::Client(client.id()),
            Self::Administrator(who) => Actor::User(who.user.id),
        }
    }
}
