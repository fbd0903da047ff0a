//! Tables of endpoints and of pages, with one route in each row.

use std::collections::BTreeSet;
use std::fmt;

use futures_util::future::LocalBoxFuture;

use super::admin::reply::Answer;

/// A route: a request, who may send it, and the handler that answers it.
pub struct Route<Request, Needs, Extra = ()> {
    /// The method.
    pub method: &'static str,
    /// The path, in which `{id}` stands for a user's number, or for the id of a session or client.
    pub path: &'static str,
    /// Who may send the request.
    pub needs: Needs,
    /// What else the table says about it.
    pub extra: Extra,
    pub(super) handler: fn(Request) -> LocalBoxFuture<'static, Answer>,
}

/// A table: the method, the path, the variant of `Needs`, the handler and, if the table has any, the extra of each route.
macro_rules! routes {
    ($($method:literal $path:literal $needs:ident $handler:path $(, $extra:expr)?;)+) => {
        &[$($crate::http::routes::Route {
            method: $method,
            path: $path,
            needs: Needs::$needs,
            extra: ($($extra)?),
            handler: |request| Box::pin($handler(request)),
        }),+]
    };
}
pub(super) use routes;

impl<Request, Needs, Extra> Route<Request, Needs, Extra> {
    /// Whether it changes nothing.
    pub(super) fn is_read(&self) -> bool {
        self.method == "GET"
    }
}

impl<Request, Needs, Extra> fmt::Debug for Route<Request, Needs, Extra> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// The paths of a table, each once. actix searches them in this order, and a word fits where an id may stand, so paths
/// with ids come last.
pub(super) fn paths<Request, Needs, Extra>(
    table: &'static [Route<Request, Needs, Extra>],
) -> impl Iterator<Item = &'static str> {
    let all: BTreeSet<_> = table.iter().map(|route| route.path).collect();
    let (fixed, with_ids): (Vec<_>, Vec<_>) = all.into_iter().partition(|path| !path.contains('{'));
    fixed.into_iter().chain(with_ids)
}

/// The route of a table with this path and method.
///
/// # Errors
/// The methods that the path has.
pub(super) fn find<Request, Needs, Extra>(
    table: &'static [Route<Request, Needs, Extra>],
    path: &str,
    method: &str,
) -> Result<&'static Route<Request, Needs, Extra>, Vec<&'static str>> {
    let here = || table.iter().filter(|route| route.path == path);
    here().find(|route| route.method == method).ok_or_else(|| here().map(|route| route.method).collect())
}
